"""The figures of the documentation: small SVG files whose text stays text, readable on white and on black."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.cases import CASES
from bench.contenders import CONTENDERS
from bench.curves import CURVES
from bench.page import path_of
from bench.ratios import measured

INK: Final = "#888888"
OURS: Final = "#e8590c"
COLOURS: Final = ("#1c7ed6", "#37b24d", "#ae3ec9", "#f59f00")
PANELS: Final = (("sync1", "sync16"), ("async1", "async10", "async100", "async1000"))

STYLE: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
}

plain: Final = FuncFormatter(lambda value, _: f"{value:,.0f}")
short: Final = FuncFormatter(lambda value, _: f"{value / 1000:,.0f}k" if value >= 1000 else f"{value:.0f}")


def draw(found: dict[str, Any], folder: Path) -> list[str]:
    """Draw what can be drawn of the results, and return the names of the files."""
    folder.mkdir(exist_ok=True)
    drawn = []
    with mpl.rc_context(STYLE):
        for name, (part, make) in FIGURES.items():
            if part in found:
                path = folder / Path(path_of(name)).name
                make(found[part]).savefig(path, transparent=True, metadata={"Date": None}, bbox_inches="tight")
                drawn.append(path.name)
    return drawn


def compared(found: dict[str, Any]) -> Figure:
    return _dots(found, "cpu_us", "microseconds of CPU per request, logarithmic; fewer is better")


def throughput(found: dict[str, Any]) -> Figure:
    return _dots(found, "per_second", "requests per second from one core, logarithmic; more is better")


def _dots(found: dict[str, Any], key: str, words: str) -> Figure:
    """Return dots on a line per contender, one panel per kind of client."""
    panels = [[case for case in panel if case in found["cases"]] for panel in PANELS]
    who = [_by_cost(found, panel) for panel in panels]
    figure = Figure(figsize=(7.2, 0.25 * sum(map(len, who)) + 1.6), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=[max(1, len(names)) for names in who])
    for axis, panel, names in zip(axes, panels, who, strict=True):
        for case, colour in zip(panel, COLOURS, strict=False):
            values = [_value(found["cases"][case].get(name), key) for name in names]
            axis.scatter(values, range(len(names)), s=22, color=colour, label=CASES[case].title, zorder=3)
        _name_the_lines(axis, names)
    axes[-1].set_xlabel(words)
    return figure


def _value(one: dict[str, Any] | None, key: str) -> float | None:
    return median(one[key]) if one is not None and measured(one) else None


def _by_cost(found: dict[str, Any], panel: list[str]) -> list[str]:
    """Return who was measured in the panel's first case, the cheapest last, which is the top."""
    costs = {name: _value(one, "cpu_us") for name, one in (found["cases"][panel[0]] if panel else {}).items()}
    return [name for name, cost in sorted(costs.items(), key=lambda item: -(item[1] or 0)) if cost is not None]


def _name_the_lines(axis: Axes, names: list[str]) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(plain)
    axis.set_yticks(range(len(names)), [CONTENDERS[name].title.replace("*", "") for name in names])
    for label, name in zip(axis.get_yticklabels(), names, strict=True):
        if name.startswith("ours"):
            label.set_color(OURS)
    axis.grid(visible=True, axis="both")
    axis.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def scaled(found: dict[str, Any]) -> Figure:
    """Return one small panel per curve; the floor of a curve is in the panel with it."""
    curves = found["curves"]
    shown = [name for name in curves if not CURVES[name].floor_of]
    floors = {CURVES[name].floor_of: points for name, points in curves.items()}
    lines = -(-len(shown) // 2)
    figure = Figure(figsize=(7.2, 2.1 * lines), layout="constrained")
    axes = figure.subplots(lines, 2, squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, curve in zip(axes.flat, shown, strict=False):
        tops = [_line(axis, curves[curve], "cpu_us", OURS, "resilient-client")]
        if curve in floors:
            tops.append(_line(axis, floors[curve], "cpu_us", INK, "sockets by hand"))
        axis.set_ylim(0, 1.15 * max(tops))
        axis.set_title(CURVES[curve].title, fontsize=9)
    axes.flat[0].legend(frameon=False, loc=(0.03, 0.2))
    figure.supylabel("microseconds of CPU per call", color=INK, fontsize=9)
    return figure


def remembered(found: dict[str, Any]) -> Figure:
    """Return a line per contender: memory per call against calls in flight."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axis = figure.subplots()
    others = (colour for place, colour in enumerate(mpl.color_sequences["tab10"]) if place not in {1, 7})
    colours = {"ours": OURS, "floor": INK}
    tops = [
        _line(axis, points, "kib", colours.get(name) or next(others), CONTENDERS[name].title.replace("*", ""))
        for name, points in found["in_flight"].items()
        if any(measured(point) for point in points.values())
    ]
    axis.set_ylim(0, 1.15 * max(tops, default=1))
    axis.set_xlabel("calls in flight")
    axis.set_ylabel("KiB per call")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _line(axis: Axes, points: dict[str, Any], key: str, colour: Any, label: str) -> float:
    """Draw medians against counts, and return the highest."""
    values = {int(count): median(point[key]) for count, point in points.items() if measured(point)}
    axis.plot(list(values), list(values.values()), color=colour, marker="o", markersize=4, label=label)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(short)
    axis.yaxis.set_major_formatter(plain)
    axis.grid(visible=True)
    return max(values.values(), default=1)


FIGURES: Final[dict[str, tuple[str, Callable[[dict[str, Any]], Figure]]]] = {
    "compare": ("compare", compared),
    "throughput": ("compare", throughput),
    "scale": ("scale", scaled),
    "memory": ("memory", remembered),
}
