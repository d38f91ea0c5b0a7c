"""All that there is to see at a moment: whose state it is and how old, then the tables, in the lines there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from resilient_client.cli.demo.wording import percent
from resilient_client.cli.top.rates import Rates
from resilient_client.cli.top.room import share
from resilient_client.cli.top.snapshot import Snapshot
from resilient_client.cli.top.tables import Look, Section, ago_of, circuits, clients, recent

MANY: Final = 20
"""Rows of a table, where no screen says how many there is room for."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known: a snapshot and its age, what goes on, and why nothing newer came, if so."""

    source: str
    snapshot: Snapshot
    age: float
    rates: Rates
    gone: str | None = None


def picture(moment: Moment, look: Look, height: int | None = None) -> Group:
    """Return everything as something to print; without `height` in as many lines as are good to read."""
    seen = moment.snapshot
    sections = (clients(seen, moment.rates, look), circuits(seen, moment.age, look), recent(seen, moment.age, look))
    head = _head(moment)
    parts: list[Text | Table] = [*head]
    for section, lines in zip(sections, _lines(sections, len(head), height), strict=True):
        parts += [Text(""), *section.draw(lines)]
    return Group(*parts)


def _lines(sections: Sequence[Section], above: int, height: int | None) -> Iterable[int]:
    """Return the lines of each section; each has a blank line and a head besides."""
    wanted = [section.lines for section in sections]
    if height is None:
        return [min(want, MANY + 1) for want in wanted]
    return share(height - above - 2 * len(sections), wanted)


def _head(moment: Moment) -> list[Text]:
    seen = moment.snapshot
    first = Text.assemble((seen.program, "bold"), f"  pid {seen.pid}  age {ago_of(moment.age)}  {moment.source}")
    lines = [first, Text(_in_all(moment))]
    if moment.gone is not None:
        told = f"GONE: {moment.gone}; this is the last that is known"
        lines.insert(1, Text(told, style="bold white on red"))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines


def _in_all(moment: Moment) -> str:
    seen, rates = moment.snapshot, moment.rates.values()
    calls = sum(rate.calls for rate in rates)
    failed = sum(rate.calls * (rate.failed or 0) for rate in rates)
    states = [circuit.state for client in seen.clients for circuit in client.state.circuits.values()]
    told = f"{percent(failed / calls) if calls else 'none'} failed of {calls:.1f} calls/s"
    return f"{_of_circuits(states)}, {told}, {_count(len(seen.clients), 'client')}"


def _of_circuits(states: Sequence[str]) -> str:
    away = len(states) - states.count("closed")
    if away:
        return f"{away} of {_count(len(states), 'circuit')} not closed"
    return "all circuits closed" if states else "no circuits"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
