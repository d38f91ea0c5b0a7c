"""How the cost of a call grows with what a process has: calls in flight, origins, clients, URLs, circuits."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from statistics import median
from typing import Any, Final

from bench.curves import CURVES
from bench.machine import machine
from bench.processes import free_ports, run_module, running
from bench.ratios import WHY, measured, ratio_of
from bench.report import Table, number, say
from bench.rounds import rounds as rounds_within
from bench.turns import ending

PATIENCE: Final = 60.0
"""Seconds that one point may take."""

FROM: Final = 10
"""What the last points of a curve are compared with: with one there is less of everything, from waits to wake-ups."""


def measure(*, rounds: int = 3, minutes: float = 2.5, seconds: float = 0.4, most: int = 100_000) -> dict[str, Any]:
    """Return CPU us per call by curve and count, one per round; why, for a point that could not be measured."""
    points = [(curve, count) for curve, one in CURVES.items() for count in one.counts if count <= most]
    found: dict[str, dict[str, Any]] = {curve: {} for curve, _ in points}
    for curve, count in points:
        found[curve][str(count)] = {"cpu_us": []}
    port = free_ports(1)[0]
    with running([sys.executable, "-m", "bench.far_side", "everywhere", str(port)], [port]):
        for number_of_round in rounds_within(rounds, minutes):
            url = f"http://127.0.0.{number_of_round + 1}:{port}"  # ports that one round left do not hinder the next
            for place, (curve, count) in enumerate(random.sample(points, len(points))):
                say(f"round {number_of_round + 1}/{rounds}: {place + 1}/{len(points)} {curve} {count:,}")
                _measure_point(found[curve], curve, count, seconds, url)
    say("")
    return {"machine": machine(), "settings": {"rounds": number_of_round + 1, "seconds": seconds}, "curves": found}


def _measure_point(points: dict[str, Any], curve: str, count: int, seconds: float, url: str) -> None:
    if not measured(points[str(count)]):
        return
    try:
        child = run_module("bench.curves", curve, str(count), str(seconds), url, timeout=PATIENCE)
        found = json.loads(child.stdout) if not child.returncode else {"unfinished": ending(child)}
    except subprocess.TimeoutExpired:
        found = {"unfinished": f"took longer than {PATIENCE:.0f} s"}
    if measured(found):
        points[str(count)]["cpu_us"].append(round(found["cpu_us"], 2))
    else:
        points[str(count)] = found


def growth(points: dict[str, Any], count: int) -> float | None:
    """Return what a call costs with so many, over what it costs with ten; the median of the rounds' ratios."""
    return ratio_of(points.get(str(count)), points.get(str(FROM)))


# How it is shown.


def tables(found: dict[str, Any]) -> list[Table]:
    counts = sorted({int(count) for points in found["curves"].values() for count in points})
    header = ("CPU us per call", *(f"{count:,}" for count in counts), f"last / {FROM}")
    rows = [
        (CURVES[curve].title, *(_cell(points.get(str(count))) for count in counts), _growth(points))
        for curve, points in found["curves"].items()
    ]
    return [Table("Scale", header, rows, "scale")]


def _cell(point: dict[str, Any] | None) -> str:
    if point is None or "absent" in point:
        return ""
    return number(median(point["cpu_us"])) if measured(point) else "did not finish"


def _growth(points: dict[str, Any]) -> str:
    return number(growth(points, max(map(int, points))), 2)


def notes(found: dict[str, Any]) -> list[str]:
    """Return why points are missing."""
    return [
        f"{CURVES[curve].title.removeprefix('- ')}, {int(count):,}: {WHY[why]} ({point[why]})"
        for curve, points in found["curves"].items()
        for count, point in points.items()
        for why in WHY.keys() & point.keys()
    ]
