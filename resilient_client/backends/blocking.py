"""The blocking backend: its async methods block and return, so a pipeline over it never suspends."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any, TypeVar

from resilient_client.backends import run_sync

T = TypeVar("T")


class ThreadWaker:
    """Wakes one waiting thread."""

    __slots__ = ("_asleep",)

    def __init__(self) -> None:
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def wake(self) -> bool:
        """Let the waiting thread go on."""
        if self._asleep.locked():
            self._asleep.release()
        return True

    def wait(self, seconds: float) -> None:
        """Block until woken, at most `seconds`."""
        self._asleep.acquire(timeout=-1 if seconds == inf else min(max(seconds, 0), threading.TIMEOUT_MAX))


class BlockingBackend:
    """The world of threads."""

    now = staticmethod(time.monotonic)
    random = staticmethod(random.random)

    async def sleep(self, seconds: float) -> None:
        """Block this thread for `seconds`."""
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is this backend's way

    def waker(self) -> ThreadWaker:
        """Return a waker for this thread."""
        return ThreadWaker()

    async def wait(self, waker: ThreadWaker, until: float) -> None:
        """Block this thread until `waker` was woken or the clock shows `until`."""
        waker.wait(until - self.now())

    async def offload(self, function: Callable[..., T], *args: object) -> T:
        """Call `function` on this thread."""
        return function(*args)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a pipeline to its end on this thread."""
        return run_sync(coroutine)
