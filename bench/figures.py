"""The figures of the documentation: small SVG files whose text stays text, readable on white and on black."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.cases import CASES
from bench.contenders import CONTENDERS
from bench.scale import CURVES

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


def draw(found: dict[str, Any], folder: Path) -> list[str]:
    """Draw what can be drawn of the results, and return the names of the files."""
    folder.mkdir(exist_ok=True)
    drawn = []
    with mpl.rc_context(STYLE):
        for name, make in FIGURES.items():
            if name in found:
                path = folder / f"performance-{name}.svg"
                make(found[name]).savefig(path, transparent=True, metadata={"Date": None}, bbox_inches="tight")
                drawn.append(path.name)
    return drawn


def compared(found: dict[str, Any]) -> Figure:
    """Return dots on a line per contender, one panel per kind of client."""
    panels = [[case for case in panel if case in found["cases"]] for panel in PANELS]
    who = [_by_cost(found, panel) for panel in panels]
    figure = Figure(figsize=(7.2, 0.25 * sum(map(len, who)) + 1.6), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=[max(1, len(names)) for names in who])
    for axis, panel, names in zip(axes, panels, who, strict=True):
        for case, colour in zip(panel, COLOURS, strict=False):
            values = [found["cases"][case].get(name, {}).get("cpu_us") for name in names]
            axis.scatter(values, range(len(names)), s=22, color=colour, label=CASES[case].title, zorder=3)
        _name_the_lines(axis, names)
    axes[-1].set_xlabel("microseconds of CPU per request, logarithmic")
    return figure


def _by_cost(found: dict[str, Any], panel: list[str]) -> list[str]:
    """Return who was measured in the panel's first case, the cheapest last, which is the top."""
    costs = found["cases"][panel[0]] if panel else {}
    return sorted((name for name in costs if "cpu_us" in costs[name]), key=lambda name: -costs[name]["cpu_us"])


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
    """Return one small panel per curve."""
    curves = found["cpu_us"]
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots(2, 2)
    for axis, (curve, points) in zip(axes.flat, curves.items(), strict=False):
        measured = {int(count): value for count, value in points.items() if value is not None}
        axis.plot(list(measured), list(measured.values()), color=OURS, marker="o", markersize=4)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(plain)
        axis.set_ylim(0, 1.15 * max(measured.values()))
        axis.yaxis.set_major_formatter(plain)
        axis.set_title(CURVES[curve][0], fontsize=9)
        axis.grid(visible=True)
    figure.supylabel("microseconds of CPU per call", color=INK, fontsize=9)
    return figure


FIGURES: Final[dict[str, Callable[[dict[str, Any]], Figure]]] = {"compare": compared, "scale": scaled}
