"""The final tables: the difference in all, and how each phase went for each contender."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from resilient_client.cli.demo.conclusion import conclusions
from resilient_client.cli.demo.report import Outcome, Report
from resilient_client.cli.demo.wording import NOTHING, duration, number, percent


def _outage_load(outcome: Outcome) -> str:
    return number(outcome.outage.load_per_call) if outcome.outage else NOTHING


def _permits(outcome: Outcome) -> str:
    return NOTHING if outcome.permits_stuck is None else str(outcome.permits_stuck)


ROWS: Final[tuple[tuple[str, Callable[[Outcome], str]], ...]] = (
    ("calls due", lambda outcome: str(outcome.total.due)),
    ("calls made", lambda outcome: str(outcome.total.calls)),
    ("answers", lambda outcome: str(outcome.total.successes)),
    ("requests the server saw", lambda outcome: str(outcome.total.load)),
    ("  per call", lambda outcome: number(outcome.total.load_per_call)),
    ("  per call in the outage", _outage_load),
    ("p99 a caller waited", lambda outcome: duration(outcome.total.p99)),
    ("longest a caller waited", lambda outcome: duration(outcome.total.worst)),
    ("workers' time inside calls", lambda outcome: percent(outcome.total.busy)),
    ("first answer after recovery", lambda outcome: duration(outcome.first_success)),
    ("workers stuck at the end", lambda outcome: str(outcome.workers_stuck)),
    ("permits stuck at the end", _permits),
)


def show(report: Report, console: Console) -> None:
    """Print both tables and what they come to."""
    console.print(_phases(report))
    console.print(_totals(report))
    for sentence in conclusions(report):
        console.print(sentence, markup=False)


def _totals(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
    table.add_column("in all")
    for outcome in report.outcomes:
        table.add_column(outcome.name, justify="right")
    for label, cell in ROWS:
        table.add_row(label, *(cell(outcome) for outcome in report.outcomes))
    return table


HEADS: Final = ("calls", "ok", "per call", "p99", "worst", "busy")


def _phases(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="")
    table.add_column("phase", no_wrap=True)
    table.add_column("called with", no_wrap=True)
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    for period in report.periods:
        for place, outcome in enumerate(report.outcomes):
            last = place == len(report.outcomes) - 1
            table.add_row("" if place else period.phase, outcome.name, *_cells(outcome, period.phase), end_section=last)
    return table


def _cells(outcome: Outcome, phase: str) -> Iterator[str]:
    numbers = outcome.phases[phase]
    yield str(numbers.calls)
    yield str(numbers.successes)
    yield number(numbers.load_per_call)
    yield from map(duration, (numbers.p99, numbers.worst))
    yield percent(numbers.busy)
