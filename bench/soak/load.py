"""Who calls: threads and tasks that draw a place and a kind for each call, leave some of them early, and go on."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from bench.soak.book import Book
from bench.soak.kinds import Kind
from bench.soak.places import TOTAL, Place
from bench.soak.watch import Watch
from resilient_client.backends import run_sync

LEFT_EARLY = 0.04
"""The share of calls from tasks that are cancelled."""

PAUSE = 0.01
"""Seconds that a caller who was turned away waits before the next call; else an open circuit eats the calls."""

TURNED_AWAY = frozenset(("circuit_open", "bulkhead_full"))


class Load:
    """`threads` threads and `tasks` tasks that make `calls` calls, or as many as they can in `seconds`."""

    def __init__(self, places: list[Place], book: Book, *, calls: int, seconds: float, seed: int) -> None:
        self._places = places
        self._weights = [place.weight for place in places]
        self._book = book
        self._seed = seed
        self._until = monotonic() + seconds
        self._numbers = iter(range(calls))
        self._lock = threading.Lock()
        self._workers: list[threading.Thread] = []
        self.watch = Watch()
        self.made = 0
        self.over = False
        self.cancelled_tasks = 0

    def number(self) -> int | None:
        """Return the next call's number, or None when there have been enough."""
        with self._lock:
            if monotonic() >= self._until or (number := next(self._numbers, None)) is None:
                self.over = True
                return None
            self.made += 1
            return number

    def start(self, threads: int, tasks: int, afterwards: Callable[[], Any]) -> None:
        """Begin; `afterwards` is awaited on the event loop of the tasks when these are done."""
        targets = [lambda worker=worker: self._thread(worker) for worker in range(threads)]
        targets.append(lambda: asyncio.run(self._tasks(tasks, afterwards)))
        for target in targets:
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._workers.append(thread)

    @property
    def running(self) -> int:
        return sum(thread.is_alive() for thread in self._workers)

    def _draws(self, worker: int) -> Iterator[tuple[int, Place, Kind, random.Random]]:
        draw = random.Random(self._seed * 1000 + worker)
        while (number := self.number()) is not None:
            (place,) = draw.choices(self._places, self._weights)
            (kind,) = draw.choices(place.kinds, [kind.weight for kind in place.kinds])
            yield number, place, kind, draw

    async def _one(self, caller: Any, kind: Kind, number: int) -> bool:
        """Make one call; returns whether it was turned away."""
        with self.watch.bounded(TOTAL):
            told = await kind.ask(caller, number)
        self._book.told(number, kind.name, told.result, once=kind.once, broken=told.broken)
        if told.wrong:
            self._book.complain(told.wrong)
        return getattr(told.result, "kind", None) in TURNED_AWAY

    def _thread(self, worker: int) -> None:
        try:
            for number, place, kind, _ in self._draws(worker):
                if run_sync(self._one(place.threads, kind, number)):
                    time.sleep(PAUSE)
        except BaseException as problem:
            self._book.complain(f"a thread ended with {problem!r}")
            raise

    async def _tasks(self, count: int, afterwards: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self._book.complain(f"the event loop complains: {context}"))
        ended = await asyncio.gather(*(self._task(1000 + n) for n in range(count)), return_exceptions=True)
        for problem in ended:
            if problem is not None:
                self._book.complain(f"a task ended with {problem!r}")
        await afterwards()
        if left := len(asyncio.all_tasks()) - 1:
            self._book.complain(f"{left} tasks were left")

    async def _task(self, worker: int) -> None:
        for number, place, kind, draw in self._draws(worker):
            call = asyncio.ensure_future(self._one(place.tasks, kind, number))
            if draw.random() < LEFT_EARLY:
                asyncio.get_running_loop().call_later(draw.random() * draw.random() * 0.3, call.cancel)
            try:
                if await call:
                    await asyncio.sleep(PAUSE)
            except asyncio.CancelledError:
                self.cancelled_tasks += 1
                self._book.left(number, once=kind.once)
