# ruff: noqa: INP001 - run as a module from the root, because it needs the tests' incident
"""Write docs/observability/incident.svg: panels of the dashboard during the incident of the tests.

The incident is real, and so is the Prometheus that records it; the queries are those of dashboard.json. Run it from the
root of the project as `python -m docs.observability.make_pictures`. It needs Prometheus and takes a minute.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final

from docs.observability.make_dashboard import COLOURS, STATES, dashboard
from tests.observability.recording import Recording, recorded

PICTURE: Final = Path(__file__).parent / "incident.svg"

SECONDS: Final = 6.0
"""How long a phase lasts."""
STEP: Final = 0.25

Json = dict[str, Any]
Points = dict[float, float]

BOTH: Final = ".*"
SHOWN: Final = {
    "Calls": "payments",
    "Success ratio": BOTH,
    "Duration of calls": "payments",
    "Failed attempts by error": "payments",
    "Calls saved by retries": BOTH,
    "Retry budget available": BOTH,
    "Why nothing more was tried": "payments",
    "On the wire": "payments",
    "Circuits over time": BOTH,
}
"""Panels, and the client that is chosen for each."""

PHASES: Final = {"healthy": "well", "errors": "503s", "hanging": "hangs", "down": "down", "recovery": "back"}

WIDTH: Final = 392
HEIGHT: Final = 236
GAP: Final = 8
COLUMNS: Final = 3
LEFT, TOP, RIGHT, BOTTOM = 46, 44, 12, 52
"""Margins of a plot in its panel."""

PALETTE: Final = ("#73bf69", "#5794f2", "#f2cc0c", "#ff780a", "#b877d9", "#8ab8ff", "#f2495c", "#ff9830")
KNOWN: Final = {
    "success": "#73bf69",
    "http_error": "#f2cc0c",
    "error": "#ff780a",
    "rejected": "#f2495c",
    "payments": "#5794f2",
    "search": "#ff9830",
    "p50": "#73bf69",
    "p95": "#f2cc0c",
    "p99": "#f2495c",
    "limit": "#f2495c",
    "in use": "#5794f2",
}
STATE_COLOURS: Final = {"green": "#3f8a3a", "yellow": "#f2cc0c", "red": "#e02f44", "purple": "#b877d9"}
MUTED: Final = "#8e9097"


@dataclass(frozen=True)
class Line:
    """A series with its name."""

    name: str
    points: Points


@dataclass(frozen=True)
class Plot:
    """Where a plot is and which times and values it shows."""

    x: float
    y: float
    start: float
    end: float
    top: float = 1.0

    @property
    def width(self) -> float:
        """The width of the plot itself."""
        return WIDTH - LEFT - RIGHT

    @property
    def height(self) -> float:
        """Its height."""
        return HEIGHT - TOP - BOTTOM

    def across(self, at: float) -> float:
        """Return where a moment is."""
        return self.x + LEFT + (at - self.start) / (self.end - self.start) * self.width

    def down(self, value: float) -> float:
        """Return where a value is."""
        return self.y + TOP + self.height * (1 - value / self.top)


# What is asked.


def asked(expr: str, client: str) -> str:
    """Return an expression with its variables filled in."""
    for variable, value in {"$__rate_interval": "2s", "$job": "shop", "$client": client}.items():
        expr = expr.replace(variable, value)
    return expr


def name_of(legend: str, labels: Json) -> str:
    """Return the legend of a series, without what all of a panel have in common."""
    named = re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)
    named = re.sub(r" *(http://[\w.:]+|127\.0\.0\.1) *", "", named)
    return re.sub(r"^(p\d+) payments$|^payments (?=.)", r"\1", named).strip()


def lines(recording: Recording, panel: Json, client: str, end: float) -> list[Line]:
    """Return the series of a panel, what is well first and then the highest."""
    found = [
        Line(name_of(target["legendFormat"], one["metric"]), points(one, end))
        for target in panel["targets"]
        for one in recording.series(asked(target["expr"], client), STEP)
    ]
    return sorted(found, key=lambda line: (line.name != "success", -max(line.points.values(), default=0)))


def points(series: Json, end: float) -> Points:
    """Return the numbers of a series."""
    return {at: float(value) for at, value in series["values"] if value != "NaN" and at <= end}


# What is drawn.


def text(x: float, y: float, said: str, size: int = 11, colour: str = "#d8d9da", anchor: str = "start") -> str:
    """Return a text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{escape(said)}</text>'
    )


def rectangle(x: float, y: float, width: float, height: float, more: str) -> str:
    """Return a rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {more}/>'


def stroke(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    """Return a thin line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#2c3235" {more}/>'


def colour_of(line: Line, number: int) -> str:
    """Return the colour of a series: that of its word, or the next one."""
    for word, colour in KNOWN.items():
        if line.name == word or line.name.startswith(f"{word} "):
            return colour
    return PALETTE[number % len(PALETTE)]


def nice_top(highest: float) -> float:
    """Return where an axis ends: 1, 2, 4, 5 or 8 times a power of ten."""
    scale = 10.0 ** len(str(int(highest))) / 10 if highest >= 1 else 0.1
    return next((scale * step for step in (1, 2, 4, 5, 8, 10) if scale * step >= highest * 0.999), highest) or 1.0


def amount(value: float, unit: str) -> str:
    """Return a number of an axis."""
    if unit == "percentunit":
        return f"{value * 100:.0f}%"
    return f"{value:g}{ {'s': ' s', 'reqps': '/s'}.get(unit, '') }"


def axes(plot: Plot, phases: dict[str, float], unit: str | None) -> Iterator[str]:
    """Draw values to the left, seconds below, phases above."""
    floor = plot.y + TOP + plot.height
    for part in (0, 0.5, 1) if unit is not None else ():
        height = plot.down(plot.top * part)
        yield stroke(plot.x + LEFT, height, plot.x + WIDTH - RIGHT, height)
        yield text(plot.x + LEFT - 6, height + 4, amount(plot.top * part, unit or ""), 10, MUTED, "end")
    for phase, shown in PHASES.items():
        where = plot.across(phases[phase])
        yield stroke(where, plot.y + TOP - 10, where, floor, 'stroke-dasharray="3 3"')
        yield text(where + 4, plot.y + TOP - 3, shown, 9, MUTED)
    for second in range(0, int(plot.end - plot.start) + 1, 10):
        yield text(plot.across(plot.start + second), floor + 14, f"{second} s", 10, MUTED, "middle")


def legend(plot: Plot, named: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Draw what colour means what."""
    left, height = plot.x + LEFT, plot.y + HEIGHT - 22
    for name, colour in named:
        width = 24 + 5.6 * len(name)
        if left + width > plot.x + WIDTH - RIGHT:
            left, height = plot.x + LEFT, height + 13
        yield rectangle(left, height - 4, 10, 3, f'fill="{colour}"')
        yield text(left + 14, height + 1, name, 10)
        left += width


def path(plot: Plot, line: Line) -> str:
    """Return the way of a line; what is missing breaks it."""
    found: list[str] = []
    before = None
    for at, value in sorted(line.points.items()):
        move = "L" if before is not None and at - before < 2 * STEP else "M"
        found.append(f"{move}{plot.across(at):.1f} {plot.down(value):.1f}")
        before = at
    return "".join(found)


def curves(plot: Plot, drawn: Sequence[Line]) -> Iterator[str]:
    """Draw lines, one over the other."""
    for number, line in enumerate(drawn):
        colour = colour_of(line, number)
        yield f'<path d="{path(plot, line)}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def stacked(plot: Plot, drawn: Sequence[Line]) -> Iterator[str]:
    """Draw areas, one upon the other."""
    moments = sorted({at for line in drawn for at in line.points})
    below = dict.fromkeys(moments, 0.0)
    for number, line in enumerate(drawn):
        above = {at: below[at] + line.points.get(at, 0.0) for at in moments}
        there = [f"{plot.across(at):.1f} {plot.down(above[at]):.1f}" for at in moments]
        back = [f"{plot.across(at):.1f} {plot.down(below[at]):.1f}" for at in reversed(moments)]
        colour = colour_of(line, number)
        yield f'<path d="M{"L".join([*there, *back])}Z" fill="{colour}" fill-opacity="0.55" stroke="none"/>'
        below = above


def bands(plot: Plot, drawn: Sequence[Line]) -> Iterator[str]:
    """Draw a band for each circuit, in the colours of its states."""
    height = plot.height / max(1, len(drawn))
    for number, line in enumerate(sorted(drawn, key=lambda line: line.name)):
        top = plot.y + TOP + number * height
        yield text(plot.x + LEFT, top + height / 4 + 3, line.name)
        moments = [*sorted(line.points.items()), (plot.end, -1.0)]
        for state, run in groupby(pairwise(moments), key=lambda pair: pair[0][1]):
            spans = list(run)
            left, right = plot.across(spans[0][0][0]), plot.across(spans[-1][1][0])
            colour = STATE_COLOURS[COLOURS[STATES[int(state)]]]
            yield rectangle(left, top + 8 + height / 4, right - left, height / 2 - 8, f'fill="{colour}"')


def highest(drawn: Sequence[Line], *, upon_each_other: bool) -> float:
    """Return the highest value that is drawn."""
    if not upon_each_other:
        return max((max(line.points.values(), default=0) for line in drawn), default=0)
    moments = {at for line in drawn for at in line.points}
    return max((sum(line.points.get(at, 0) for line in drawn) for at in moments), default=0)


def panel_parts(recording: Recording, panel: Json, plot: Plot) -> Iterator[str]:
    """Draw one panel."""
    client = SHOWN[panel["title"]]
    about = panel["title"] if client == BOTH else f"{panel['title']}: {client}"
    drawn = lines(recording, panel, client, plot.end)
    yield rectangle(plot.x, plot.y, WIDTH, HEIGHT, 'rx="3" fill="#181b1f" stroke="#24282d"')
    yield text(plot.x + 10, plot.y + 20, about, 13)
    if panel["type"] == "state-timeline":
        yield from bands(plot, drawn)
        yield from axes(plot, recording.phases, None)
        yield from legend(plot, [(state, STATE_COLOURS[COLOURS[state]]) for state in STATES])
        return
    settings = panel["fieldConfig"]["defaults"]
    upon = "stacking" in settings["custom"]
    fitted = Plot(plot.x, plot.y, plot.start, plot.end, nice_top(highest(drawn, upon_each_other=upon)))
    yield from axes(fitted, recording.phases, settings["unit"])
    yield from (stacked if upon else curves)(fitted, drawn)
    yield from legend(fitted, [(line.name, colour_of(line, number)) for number, line in enumerate(drawn)])


def picture(recording: Recording) -> str:
    """Return the picture as SVG."""
    panels = {panel["title"]: panel for panel in dashboard()["panels"]}
    start, end = recording.phases["healthy"], recording.phases["quiet"]
    parts: list[str] = []
    for number, title in enumerate(SHOWN):
        row, column = divmod(number, COLUMNS)
        plot = Plot(GAP + column * (WIDTH + GAP), GAP + row * (HEIGHT + GAP), start, end)
        parts += panel_parts(recording, panels[title], plot)
    width = COLUMNS * (WIDTH + GAP) + GAP
    height = -(-len(SHOWN) // COLUMNS) * (HEIGHT + GAP) + GAP
    font = 'font-family="Helvetica,Arial,sans-serif"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {font}>'
    return "\n".join([head, rectangle(0, 0, width, height, 'fill="#111217"'), *parts, "</svg>", ""])


def main() -> None:
    """Play the incident and draw it."""
    with tempfile.TemporaryDirectory() as folder, recorded(Path(folder), SECONDS) as recording:
        PICTURE.write_text(picture(recording), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.name} written\n")


if __name__ == "__main__":
    main()
