"""Memory per call in flight: a thousand tasks that wait for a server that never answers.

`python -m bench.memory '{...}'` is one contender's child: it lets fifty calls hang, looks at the memory it occupies,
lets more hang, and looks again.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from importlib import import_module
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.cases import SMALL, Target
from bench.contenders import CONTENDERS
from bench.machine import machine
from bench.processes import free_ports, run_module, running
from bench.report import Table, number

WHO: Final = ("floor", "ours", "httpx", "httpx2", "aiohttp", "pyreqwest")
FIRST: Final = 50
PATIENCE: Final = 30.0


def measure(*, calls: int = 1000, rounds: int = 3, contenders: tuple[str, ...] = WHO) -> dict[str, Any]:
    """Return kilobytes per call in flight of each contender that can be measured here."""
    port = free_ports(1)[0]
    taken: dict[str, list[float]] = {}
    with running([sys.executable, "-m", "bench.far_side", "hang", str(port)], [port]):
        for name in contenders * rounds:
            contender = CONTENDERS[name]
            job = {"module": contender.module, "url": f"http://127.0.0.1:{port}", "calls": calls}
            child = run_module("bench.memory", json.dumps(job), timeout=2 * PATIENCE)
            if child.stdout.strip():
                taken.setdefault(name, []).append(float(child.stdout))
    found = {name: median(taken[name]) if name in taken else None for name in contenders}
    return {"machine": machine(), "settings": {"calls": calls, "rounds": rounds}, "kib_per_call": found}


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def hanging(get: Any, count: int) -> list[asyncio.Task[Any]]:
    """Start calls, and return when all of them are connected and nothing happens any more."""
    before, give_up = descriptors(), time.monotonic() + PATIENCE
    tasks = [asyncio.create_task(get()) for _ in range(count)]
    while descriptors() < before + count:
        if time.monotonic() > give_up or any(task.done() for task in tasks):
            raise TimeoutError(f"{descriptors() - before} of {count} calls are connected")
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    return tasks


async def child(job: dict[str, Any]) -> None:
    contender = import_module(f"bench.contenders.{job['module']}")
    target = Target(job["url"], SMALL, job["calls"] + FIRST)
    async with contender.asynchronous(target) as get:
        kept = await hanging(get, FIRST)
        gc.collect()
        before = resident()
        kept += await hanging(get, job["calls"])
        print((resident() - before) / job["calls"] / 1024, flush=True)
        os._exit(0)  # nobody waits for an answer


def tables(found: dict[str, Any]) -> list[Table]:
    ordered = sorted(found["kib_per_call"].items(), key=lambda item: item[1] or inf)
    rows = [(CONTENDERS[name].title, number(value, 1) or "did not finish") for name, value in ordered]
    return [Table(f"Memory per call in flight, {found['settings']['calls']:,} of them", ("", "KiB"), rows, "memory")]


if __name__ == "__main__":
    asyncio.run(child(json.loads(sys.argv[1])))
