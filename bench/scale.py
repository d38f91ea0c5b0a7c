"""How the cost of a call grows with what a process has: calls in flight, origins, clients, circuits."""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from typing import Any, Final

from bench.machine import machine
from bench.processes import free_ports, run_module, running
from bench.report import Table, number, say

CURVES: Final = {
    "in_flight": ("Calls in flight", (1, 10, 100, 1_000, 10_000)),
    "origins": ("Origins of one client", (1, 10, 100, 1_000, 10_000)),
    "clients": ("Clients in one process", (1, 10, 100, 1_000)),
    "circuits": ("Circuits of one client, no wire", (1, 10, 100, 1_000, 10_000)),
}
PATIENCE: Final = 90.0


def measure(*, rounds: int = 3, seconds: float = 0.6, most: int = 10_000) -> dict[str, Any]:
    """Return CPU us per call by curve and count; None for a point that could not be measured."""
    port = free_ports(1)[0]
    found: dict[str, dict[str, float | None]] = {}
    with running([sys.executable, "-m", "bench.far_side", "everywhere", str(port)], [port]):
        for curve, (_, counts) in CURVES.items():
            found[curve] = {}
            for count in counts:
                if count <= most:
                    found[curve][str(count)] = _point(curve, count, seconds, port, rounds)
    return {"machine": machine(), "settings": {"rounds": rounds, "seconds": seconds}, "cpu_us": found}


def _point(curve: str, count: int, seconds: float, port: int, rounds: int) -> float | None:
    taken = []
    for number_of_round in range(rounds):
        say(f"{curve} {count:,}")
        url = f"http://127.0.0.{number_of_round + 1}:{port}"  # ports left behind by one round do not hinder the next
        try:
            child = run_module("bench.curves", curve, str(count), str(seconds), url, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            break
        if child.returncode:
            break
        taken.append(float(child.stdout))
    say("")
    return median(taken) if taken else None


def tables(found: dict[str, Any]) -> list[Table]:
    counts = sorted({int(count) for points in found["cpu_us"].values() for count in points})
    header = ("CPU us per call", *(f"{count:,}" for count in counts))
    rows = [
        (CURVES[curve][0], *(_cell(points, count) for count in counts)) for curve, points in found["cpu_us"].items()
    ]
    return [Table("Scale", header, rows, "scale")]


def _cell(points: dict[str, float | None], count: int) -> str:
    return "did not finish" if points.get(str(count), 0) is None else number(points.get(str(count)))
