"""Workers that call at a fixed rate, as callers of a service do; a call that takes longer makes its worker late."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from resilient_client.cli.demo.ledger import Ledger

WORKERS: Final = 12
CALLS_PER_SECOND: Final = 4.0


Got: TypeAlias = tuple[str | None, int]
"""What a caller got: the kind of failure if it was one, and how many requests were sent for it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many workers, how many calls each of them aims at per second, and the seed of where they begin."""

    workers: int = WORKERS
    per_second: float = CALLS_PER_SECOND
    seed: int = 0

    def pauses(self, worker: int) -> Iterator[float]:
        """Yield the seconds to wait before each next call of `worker`.

        Workers begin spread over one interval. A call that was missed is not made up for: callers do not come back.
        """
        interval = 1 / self.per_second
        spread = random.Random(f"{self.seed}/{worker}").random()  # noqa: S311 - repeatable on purpose
        due = time.monotonic() + interval * (worker + spread) / self.workers
        while True:
            yield max(0.0, due - time.monotonic())
            due = max(due + interval, time.monotonic())


def drive_thread(pace: Pace, worker: int, call: Callable[[], Got], ledger: Ledger, ended: threading.Event) -> None:
    """Call again and again until `ended`."""
    for pause in pace.pauses(worker):
        if ended.wait(pause):
            return
        ledger.begin(worker)
        ledger.end(worker, *call())


async def drive_task(
    pace: Pace,
    worker: int,
    call: Callable[[], Awaitable[Got]],
    ledger: Ledger,
    ended: threading.Event,
) -> None:
    """Call again and again until `ended`; no pause is longer than an interval, so that the event is seen soon."""
    for pause in pace.pauses(worker):
        await asyncio.sleep(pause)
        if ended.is_set():
            return
        ledger.begin(worker)
        ledger.end(worker, *await call())
