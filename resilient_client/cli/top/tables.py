"""The three tables: clients and circuits, the worst first, and what went wrong, the newest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

from resilient_client.cli.demo.wording import NOTHING, duration, percent
from resilient_client.cli.top.rates import Rate, Rates
from resilient_client.cli.top.room import shown
from resilient_client.cli.top.snapshot import Happened, Snapshot, Watched
from resilient_client.state import CircuitState

Row = Sequence[Text]

WIDE: Final = 90
"""Columns from which on there is room for bars and for details."""

CLIENT_WIDTH: Final = (10, 16)
"""Columns for the client, where something else is what the line is about: on a narrow screen and on a wide one."""

BAR: Final = 10

COLOURS: Final = {"closed": "green", "half-open": "yellow", "open": "bold red", "isolated": "bold magenta"}
SEVERITY: Final = ("closed", "half-open", "open", "isolated")

QUIET: Final = Rate(0.0, None)


@dataclass(frozen=True, slots=True)
class Look:
    """What the tables are drawn on: its width, and whether it can show blocks."""

    width: int
    blocks: bool = True

    @property
    def wide(self) -> bool:
        """Whether there is room for what one can do without."""
        return self.width >= WIDE


@dataclass(frozen=True, slots=True)
class Section:
    """A table with all its rows, of which some are shown. A column that may be cut has a `*` in front of its name."""

    columns: Sequence[str]
    rows: Sequence[Row]
    nothing: str

    @property
    def lines(self) -> int:
        """Lines that all of it takes, besides its head."""
        return max(1, len(self.rows))

    def draw(self, lines: int) -> list[Table | Text]:
        """Return the table in as many lines below its head, and how much more there is."""
        if not self.rows:
            return [Text(self.nothing, style="dim")]
        fitting, more = shown(len(self.rows), lines)
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
        for column in self.columns:
            right = column.startswith(">")
            table.add_column(column.lstrip("*>"), justify="right" if right else "left", no_wrap=column[0] != "*")
        for row in self.rows[:fitting]:
            table.add_row(*row)
        return [table, Text(f"... and {more} more", style="dim")] if more else [table]


# Clients.


def clients(seen: Snapshot, rates: Rates, look: Look) -> Section:
    """Return a line per client."""
    worst_first = sorted(seen.clients, key=lambda one: (*_badness(one, rates), one.name))
    rows = [_client(one, rates.get(one.name, QUIET), look) for one in worst_first]
    columns = ("*client", ">calls/s", ">failed", ">permits", ">queued", ">budget")
    return Section(columns, rows, "no client with telemetry is open")


def _badness(client: Watched, rates: Rates) -> tuple[float, ...]:
    """Return what sorts the worst first: circuits, failures, permits, queue, then traffic."""
    state, rate = client.state, rates.get(client.name, QUIET)
    circuit = max((_severity(one) for one in state.circuits.values()), default=0)
    return -circuit, -(rate.failed or 0.0), -_used(client), -(state.queued or 0), -rate.calls


def _used(client: Watched) -> float:
    in_use, permits = client.state.permits_in_use, client.state.permits
    return in_use / permits if in_use is not None and permits else 0.0


def _client(client: Watched, rate: Rate, look: Look) -> Row:
    state = client.state
    budget = Text(NOTHING) if state.budget is None else Text(f"{state.budget:.1f}", "red" if state.budget < 1 else "")
    queued = Text(NOTHING) if state.queued is None else Text(str(state.queued), "yellow" if state.queued else "")
    return (_cut(client.name), Text(f"{rate.calls:.1f}"), _failed(rate.failed), _permits(client, look), queued, budget)


def _failed(share: float | None) -> Text:
    return Text(percent(share), "bold red" if (share or 0) >= 0.5 else "yellow" if share else "")


def _permits(client: Watched, look: Look) -> Text:
    state = client.state
    if state.permits is None:
        return Text(NOTHING)
    used = _used(client)
    style = "bold red" if used >= 1 else "yellow" if used >= 0.8 else ""
    numbers = f"{state.permits_in_use}/{state.permits}"
    if not look.wide:
        return Text(numbers, style)
    filled = min(BAR, round(used * BAR) or int(used > 0))
    full, free = ("\N{FULL BLOCK}", "\N{LIGHT SHADE}") if look.blocks else ("#", ".")
    return Text.assemble((full * filled, style or "green"), (free * (BAR - filled), "dim"), f" {numbers:>7}")


# Circuits.


def circuits(seen: Snapshot, age: float, look: Look) -> Section:
    """Return a line per circuit; `age` is that of the snapshot, by which probes have come nearer."""
    found = [(client.name, key, one) for client in seen.clients for key, one in client.state.circuits.items()]
    found.sort(key=lambda one: (-_severity(one[2]), -one[2].ratio, one[0], one[1]))
    rows = [_circuit(name, key, circuit, age, look) for name, key, circuit in found]
    return Section(("*circuit", "client", "state", ">failed", ">probe in"), rows, "no circuit has counted a call yet")


def _severity(circuit: CircuitState) -> int:
    return SEVERITY.index(circuit.state) if circuit.state in SEVERITY else 0


def _circuit(name: str, key: str, circuit: CircuitState, age: float, look: Look) -> Row:
    probe = NOTHING if circuit.retry_after is None else f"{max(0.0, circuit.retry_after - age):.1f} s"
    failed = percent(circuit.ratio)
    if look.wide:
        failed = f"{circuit.failures}/{circuit.calls} {failed:>5}"
    state = Text(circuit.state, COLOURS.get(circuit.state, ""))
    return _where(key, look), _client_name(name, look), state, Text(failed), Text(probe)


# What happened.


def recent(seen: Snapshot, age: float, look: Look) -> Section:
    """Return a line per failure and per change of a circuit."""
    details: Iterable[str] = (">tries", ">took", "stopped") if look.wide else ()
    rows = [_happened(one, seen.time - one.time + age, look) for one in seen.recent]
    return Section((">ago", "client", "what", "*where", *details), rows, "nothing has failed since recording began")


def _happened(one: Happened, ago: float, look: Look) -> Row:
    change = one.what.rpartition("> ")[2] if one.tries is None else ""
    what = Text(one.what, COLOURS.get(change, ""))
    row = (Text(ago_of(ago)), _client_name(one.client, look), what, _where(one.where, look))
    if not look.wide:
        return row
    tries = NOTHING if one.tries is None else str(one.tries)
    return (*row, Text(tries), Text(duration(one.took)), Text(one.stopped))


ORIGIN: Final = re.compile(r"https?://([^/ ]*(?=/))?")
"""What a narrow screen leaves out of a URL: the client tells where it is. Of an origin alone, it is the scheme."""

UNITS: Final[Sequence[tuple[float, str]]] = ((86400, "d"), (3600, "h"), (60, "min"))


def ago_of(seconds: float) -> str:
    """Return a time that has passed: `0.4 s`, `12 s`, `3 min`."""
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def _client_name(name: str, look: Look) -> Text:
    width = CLIENT_WIDTH[look.wide]
    return Text(name if len(name) <= width else f"{name[: width - 3]}...")


def _where(text: str, look: Look) -> Text:
    return _cut(text if look.wide else ORIGIN.sub("", text))


def _cut(text: str) -> Text:
    """Return text that is cut where there is no room for it."""
    return Text(text, no_wrap=True, overflow="ellipsis")
