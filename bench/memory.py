"""Memory per call in flight: up to ten thousand tasks that wait for a server that never answers.

`python -m bench.memory '{...}'` is one contender's child: it lets fifty calls hang, looks at the memory it occupies,
lets more hang, and looks again.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import time
from importlib import import_module
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.cases import SMALL, Target
from bench.child import loop_factory
from bench.contenders import CONTENDERS
from bench.limits import lacking, raise_limit
from bench.machine import machine
from bench.processes import free_ports, run_module, running
from bench.ratios import WHY, measured
from bench.report import Table, number, say
from bench.rounds import rounds as rounds_within
from bench.turns import STARTING, ending, output_of

WHO: Final = (
    "floor",
    "ours",
    "ours-aiohttp",
    "ours-pyreqwest",
    "ours-httpx2",
    "httpx",
    "httpx2",
    "aiohttp",
    "pyreqwest",
)
CALLS: Final = (100, 1_000, 10_000)
FIRST: Final = 50
AT_ONCE: Final = 100
"""Calls that connect at the same time, so that no client has to wait for the server."""

PATIENCE: Final = 30.0
"""Seconds in which so many calls have to be connected."""

HOPELESS: Final = (PATIENCE / 3, 1 / 5)
"""After so many seconds, who has connected less than this share of them does not come to the end in time."""


def measure(
    *, calls: tuple[int, ...] = CALLS, rounds: int = 2, minutes: float = 2.0, contenders: tuple[str, ...] = WHO
) -> dict[str, Any]:
    """Return KiB per call in flight by contender and number of calls, one per round; or why there is none."""
    port = free_ports(1)[0]
    found: dict[str, dict[str, Any]] = {name: {str(count): {"kib": []} for count in calls} for name in contenders}
    with running([sys.executable, "-m", "bench.far_side", "hang", str(port)], [port]):
        for number_of_round in rounds_within(rounds, minutes):
            for place, name in enumerate(contenders):
                say(f"round {number_of_round + 1}/{rounds}: {name}")
                url = f"http://127.0.{number_of_round + 1}.{place + 1}:{port}"  # nobody lacks ports that others left
                _measure_one(found[name], name, url)
    say("")
    return {"machine": machine(), "settings": {"rounds": number_of_round + 1}, "in_flight": found}


def _measure_one(points: dict[str, Any], name: str, url: str) -> None:
    """Note what a contender's child tells of so many calls after the other, and why it tells no more."""
    calls = [int(count) for count, point in points.items() if measured(point)]
    if not calls:
        return
    one = CONTENDERS[name]
    job = {"module": one.where, "options": one.options, "loop": one.loop, "url": url, "calls": calls}
    timeout = STARTING + len(calls) * PATIENCE
    try:
        child = run_module("bench.memory", json.dumps(job), timeout=timeout)
        told, why = child.stdout, ending(child)
    except subprocess.TimeoutExpired as problem:
        told, why = output_of(problem), f"hung for {timeout:.0f} s"
    kib = [float(line) for line in told.splitlines()]
    for place, count in enumerate(calls):
        if place < len(kib):
            points[str(count)]["kib"].append(round(kib[place], 2))
        else:
            points[str(count)] = {"unfinished" if NotConnected.__name__ in why else "absent": why}


class NotConnected(Exception):
    """Not every call came to where it waits for an answer."""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only


async def hanging(get: Any, count: int) -> list[asyncio.Task[Any]]:
    """Start calls, and return when all of them are connected and nothing happens any more."""
    before, started = descriptors(), time.monotonic()
    tasks: list[asyncio.Task[Any]] = []
    while len(tasks) < count:
        tasks += [asyncio.create_task(get()) for _ in range(min(AT_ONCE, count - len(tasks)))]
        while (connected := descriptors() - before) < len(tasks):
            for task in tasks[-AT_ONCE:]:
                if task.done():
                    raise AssertionError(f"a call ended that was to hang: {task.result()!r}")
            taken = time.monotonic() - started
            if taken > PATIENCE or (taken > HOPELESS[0] and connected < HOPELESS[1] * count):
                raise NotConnected(f"{connected:,} of {count:,} calls connected within {taken:.0f} s")
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    return tasks


async def child(job: dict[str, Any]) -> None:
    contender = import_module(job["module"])
    target = Target(job["url"], SMALL, max(job["calls"]) + FIRST)
    async with contender.asynchronous(target, **job["options"]) as get:
        try:
            kept = await hanging(get, FIRST)
            gc.collect()
            before = resident()
            for calls in job["calls"]:
                if problem := lacking(calls + FIRST):
                    raise OSError(problem)
                kept += await hanging(get, calls + FIRST - len(kept))
                print((resident() - before) / calls / 1024, flush=True)
        except Exception as problem:
            print(f"{type(problem).__name__}: {problem}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)  # nobody waits for an answer


def main(job: dict[str, Any]) -> None:
    raise_limit()
    with asyncio.Runner(loop_factory=loop_factory(job["loop"])) as runner:
        runner.run(child(job))


# How it is shown.


def tables(found: dict[str, Any]) -> list[Table]:
    rows = {name: points for name, points in found["in_flight"].items() if any(map(_present, points.values()))}
    counts = sorted({int(count) for points in rows.values() for count in points})
    ordered = sorted(rows, key=lambda name: _usual(rows[name].get("1000")))
    cells = [(CONTENDERS[name].title, *(_cell(rows[name].get(str(count))) for count in counts)) for name in ordered]
    return [Table("Memory per call in flight", ("KiB", *(f"{count:,}" for count in counts)), cells, "memory")]


def _present(point: dict[str, Any]) -> bool:
    return "absent" not in point


def _usual(point: dict[str, Any] | None) -> float:
    return median(point["kib"]) if point is not None and measured(point) else inf


def _cell(point: dict[str, Any] | None) -> str:
    if point is None or "absent" in point:
        return ""
    return number(median(point["kib"]), 1) if measured(point) else "did not finish"


def notes(found: dict[str, Any]) -> list[str]:
    """Return who was not measured or did not finish, from how many calls on, and why."""
    told: dict[str, str] = {}
    for name, points in found["in_flight"].items():
        for count, point in points.items():
            for why in WHY.keys() & point.keys():
                told.setdefault(name, f"{CONTENDERS[name].title} {WHY[why]}: {int(count):,} calls ({point[why]})")
    return list(told.values())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
