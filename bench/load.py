"""The load itself: callers that ask again as soon as they were answered, and what that costs in a window of time."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from bench.cases import Target

PATIENCE: Final = 5.0
"""Seconds in which each caller must have been answered once; else the contender did not finish."""

ENOUGH: Final = 500
"""Requests a window should see: on a busy machine it lasts longer, up to `STRETCHED` times."""

STRETCHED: Final = 5

WARM_UP: Final = 0.15
"""Seconds before the window at least, for connections, caches and the interpreter's specialised code."""


class DidNotFinish(Exception):
    """Not every caller was answered in time."""


@dataclass(frozen=True)
class Measured:
    """What a window of time saw of the client's process."""

    requests: int
    seconds: float
    cpu: float

    @classmethod
    def between(cls, before: tuple[int, float, float], after: tuple[int, float, float]) -> Measured:
        requests, seconds, cpu = (new - old for old, new in zip(before, after, strict=True))
        if not requests:
            raise DidNotFinish(f"nobody was answered for {seconds:.1f} s")
        return cls(requests, seconds, cpu)

    def as_json(self) -> dict[str, float]:
        return {"cpu_us": self.cpu / self.requests * 1e6, "per_second": self.requests / self.seconds}


class Load:
    """Counts of each caller, and when to stop."""

    def __init__(self, target: Target) -> None:
        self.size = target.size
        self.counts = [0] * target.at_once
        self.running = True
        self.problem: BaseException | None = None
        self.give_up = time.perf_counter() + PATIENCE

    def check(self, body: Any, caller: int) -> None:
        if len(body) != self.size:
            raise AssertionError(f"an answer of {len(body)} bytes instead of {self.size}")
        self.counts[caller] += 1

    @property
    def warm(self) -> bool:
        """Whether every caller was answered; raises what went wrong."""
        if self.problem is not None:
            raise self.problem
        if min(self.counts) > 0:
            return True
        if time.perf_counter() > self.give_up:
            raise DidNotFinish(
                f"{sum(count > 0 for count in self.counts)} of {len(self.counts)} callers were answered "
                f"within {PATIENCE:.0f} s"
            )
        return False

    def now(self) -> tuple[int, float, float]:
        return sum(self.counts), time.perf_counter(), time.process_time()

    def seen_enough(self, before: tuple[int, float, float], seconds: float) -> bool:
        """Return whether a window may end that was to last so many seconds."""
        assert self.warm
        requests, started, _ = before
        return sum(self.counts) - requests >= ENOUGH or time.perf_counter() - started >= STRETCHED * seconds


def blocking(get: Any, target: Target, seconds: float) -> Measured:
    """Run threads for `seconds`."""
    load = Load(target)

    def caller(number: int) -> None:
        try:
            while load.running:
                load.check(get(), number)
        except BaseException as problem:
            load.problem = problem

    threads = [threading.Thread(target=caller, args=(number,), daemon=True) for number in range(target.at_once)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(WARM_UP)
        while not load.warm:
            time.sleep(0.02)
        before = load.now()
        time.sleep(seconds)
        while not load.seen_enough(before, seconds):
            time.sleep(0.02)
        after = load.now()
    finally:
        load.running = False
    for thread in threads:
        thread.join(PATIENCE)
    return Measured.between(before, after)


async def asynchronous(get: Any, target: Target, seconds: float) -> Measured:
    """Run tasks for `seconds`."""
    load = Load(target)

    async def caller(number: int) -> None:
        try:
            while load.running:
                load.check(await get(), number)
        except BaseException as problem:
            load.problem = problem
            raise

    tasks = [asyncio.create_task(caller(number)) for number in range(target.at_once)]
    await asyncio.sleep(WARM_UP)
    while not load.warm:  # noqa: ASYNC110 - an event would cost the callers time
        await asyncio.sleep(0.02)
    before = load.now()
    await asyncio.sleep(seconds)
    while not load.seen_enough(before, seconds):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.02)
    after = load.now()
    load.running = False
    await asyncio.wait(tasks, timeout=PATIENCE)
    return Measured.between(before, after)
