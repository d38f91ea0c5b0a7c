"""What there is to see while it runs: a table that moves on a terminal, a line per second in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from resilient_client.cli.demo.contender import Contender
from resilient_client.cli.demo.numbers import Evidence, Numbers
from resilient_client.cli.demo.scenario import Act
from resilient_client.cli.demo.wording import NOTHING, duration, number
from resilient_client.state import ClientState

LATELY: Final = 1.0
"""Seconds that the numbers of the moment look back."""

FRAME: Final = 0.25
"""Seconds between two pictures on a terminal; drawing more of them would take time from those who are measured."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the incident stands: seconds since its start, and in which act of which whole."""

    now: float
    passed: float
    act: Act
    acts: Sequence[Act]


class View(Protocol):
    """Shows moments; called often, it chooses how often to show one."""

    def show(self, moment: Moment, contenders: Sequence[Contender]) -> None:
        """Show `moment`, or nothing."""
        ...


class Silent:
    """Shows nothing."""

    def show(self, moment: Moment, contenders: Sequence[Contender]) -> None:
        """Show nothing."""


class Lines:
    """One line a second."""

    def __init__(self) -> None:
        self._next = 1

    def show(self, moment: Moment, contenders: Sequence[Contender]) -> None:
        """Print a line when another second has passed."""
        if moment.passed < self._next:
            return
        self._next = int(moment.passed) + 1
        parts = [_line(contender, moment.now) for contender in contenders]
        sys.stdout.write(f"{moment.passed:5.1f} s  {moment.act.phase:<13}  {' | '.join(parts)}\n")


def _line(contender: Contender, now: float) -> str:
    numbers, state = Evidence(contender).since(now - LATELY, now), contender.state()
    circuit = f", circuit {circuit_of(state)}" if state else ""
    return (
        f"{contender.name}: {numbers.successes} ok, {numbers.calls - numbers.successes} failed, "
        f"p99 {duration(numbers.p99)}, server saw {numbers.load}/s{circuit}"
    )


class Picture:
    """A table on a terminal that is drawn anew."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._due = 0.0

    def show(self, moment: Moment, contenders: Sequence[Contender]) -> None:
        """Draw the table when it is time to."""
        if moment.now >= self._due:
            self._due = moment.now + FRAME
            self._live.update(picture(moment, contenders), refresh=True)


def picture(moment: Moment, contenders: Sequence[Contender]) -> Group:
    """Return everything there is to see at `moment`."""
    whole = sum(act.seconds for act in moment.acts)
    title = Text.assemble(f"{moment.passed:5.1f} s of {whole:g} s   ", *_phases(moment))
    told = Text(f"server: {moment.act.told}")
    return Group(title, told, _table(moment.now, contenders))


def _phases(moment: Moment) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(act.phase for act in moment.acts))
    return [(f" {name} ", "reverse" if name == moment.act.phase else "") for name in names]


def _table(now: float, contenders: Sequence[Contender]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="")
    table.add_column("in the last second", no_wrap=True)
    columns = []
    for contender in contenders:
        table.add_column(contender.name, width=18, no_wrap=True)
        columns.append(_column(contender, now))
    for label, *cells in zip(LABELS, *columns, strict=True):
        table.add_row(label, *cells)
    return table


LABELS: Final = (
    *("callers got", "failed with", "", "sent per call", "p50 / p99", "the server saw"),
    *("inside a call now", "circuit", "permits / queue", "retry budget"),
)


def _column(contender: Contender, now: float) -> list[Text]:
    numbers, state = Evidence(contender).since(now - LATELY, now), contender.state()
    kinds = [f"{count} {kind}" for kind, count in list(numbers.failures.items())[:2]]
    sent = number(numbers.sent / numbers.calls) if numbers.calls else NOTHING
    plain = [
        *kinds,
        *[""] * (2 - len(kinds)),
        sent,
        f"{duration(numbers.p50)} / {duration(numbers.p99)}",
        f"{numbers.load}/s",
        f"{contender.ledger.calling} of {contender.setup.pace.workers}",
        *_of_state(state),
    ]
    return [_got(numbers), *map(Text, plain)]


def _got(numbers: Numbers) -> Text:
    failed = numbers.calls - numbers.successes
    return Text.assemble((f"{numbers.successes} ok", "green"), ", ", (f"{failed} failed", "red" if failed else ""))


def _of_state(state: ClientState | None) -> tuple[str, str, str]:
    if state is None:
        return NOTHING, NOTHING, NOTHING
    permits = f"{state.permits_in_use} of {state.permits} / {state.queued}"
    return circuit_of(state), permits, NOTHING if state.budget is None else f"{state.budget:.1f}"


def circuit_of(state: ClientState) -> str:
    """Return the state of the one circuit there is."""
    for circuit in state.circuits.values():
        left = "" if circuit.retry_after is None else f" for {circuit.retry_after:.1f} s"
        return f"{circuit.state}{left}"
    return "closed"


def animated(console: Console) -> bool:
    """Return whether `console` can show a picture that moves."""
    return console.is_terminal and not console.is_dumb_terminal
