"""The blocking backend: its async methods block and return, so a pipeline over it never suspends."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from math import inf
from typing import Any, TypeVar

from resilient_client.backends import run_sync
from resilient_client.backends.threads import ONE_EACH, Threads

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
    run = staticmethod(run_sync)

    def __init__(self) -> None:
        self._threads = Threads()

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

    def submit(self, start: Callable[[], Coroutine[Any, Any, T]], at_once: int) -> Future[T]:
        """Run a pipeline on a thread of its own."""
        return self._threads.submit(lambda: run_sync(start()), at_once)

    async def together(self, starts: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Run the first on this thread, the others on threads of their own."""
        others = [self.submit(start, ONE_EACH) for start in starts[1:]]
        for start in starts[:1]:
            await start()
        for other in others:
            if not other.cancel():
                other.result()

    def close(self, *, wait: bool) -> None:
        """Let the threads go."""
        self._threads.close(wait=wait)
