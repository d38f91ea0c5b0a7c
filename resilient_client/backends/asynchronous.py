"""The asynchronous backend: the world of asyncio tasks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from math import inf
from typing import Any, TypeVar

T = TypeVar("T")


class TaskWaker:
    """Wakes one waiting task, from any thread."""

    __slots__ = ("future", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def wake(self) -> bool:
        """Let the waiting task go on; False when its loop was closed and took the task with it."""
        if asyncio._get_running_loop() is self.loop:  # noqa: SLF001 - exported by asyncio for exactly this question
            self.let_go()
            return True
        try:
            self.loop.call_soon_threadsafe(self.let_go)
        except RuntimeError:
            return False
        return True

    def let_go(self) -> None:
        """Let the task go on, from its own loop."""
        if not self.future.done():
            self.future.set_result(None)


class AsyncioBackend:
    """The world of tasks on an event loop."""

    now = staticmethod(time.monotonic)
    random = staticmethod(random.random)

    async def sleep(self, seconds: float) -> None:
        """Suspend this task for `seconds`."""
        await asyncio.sleep(seconds)

    def waker(self) -> TaskWaker:
        """Return a waker for this task."""
        return TaskWaker()

    async def wait(self, waker: TaskWaker, until: float) -> None:
        """Suspend this task until `waker` was woken or the clock shows `until`."""
        timer = None
        if until != inf:
            timer = waker.loop.call_later(max(0.0, until - self.now()), waker.let_go)
        try:
            await waker.future
        finally:
            if timer is not None:
                timer.cancel()

    async def offload(self, function: Callable[..., T], *args: object) -> T:
        """Call `function` on another thread. A task that is cancelled leaves when it has returned, not before.

        Else the thread would go on with what belongs to somebody else by then.
        """
        work = asyncio.get_running_loop().run_in_executor(None, partial(function, *args))
        cancelled: asyncio.CancelledError | None = None
        while not work.done():
            try:
                await asyncio.wait((work,))
            except asyncio.CancelledError as problem:
                cancelled = problem
        if cancelled is None:
            return work.result()
        work.exception()  # looked at, so that nobody misses it
        raise cancelled

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Refuse: a task awaits its calls."""
        coroutine.close()
        raise RuntimeError("an asynchronous client's calls are awaited; use Client from code that is not async")

    def submit(self, start: Callable[[], Coroutine[Any, Any, T]], at_once: int) -> Future[T]:  # noqa: ARG002 - refused
        """Refuse: a loop has tasks."""
        raise RuntimeError("an asynchronous client's calls are awaited; begin one with asyncio.create_task()")

    async def together(self, starts: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Run each in a task; when one raises, or this one is cancelled, all of them are."""
        try:
            async with asyncio.TaskGroup() as group:
                for start in starts:
                    group.create_task(start())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    def close(self, *, wait: bool) -> None:
        """Do nothing: tasks belong to who made them."""
