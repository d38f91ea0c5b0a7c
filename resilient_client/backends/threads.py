"""Threads of one blocking client, for calls that somebody else waits for; there are none until the first of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

from resilient_client.forking import on_fork

T = TypeVar("T")

NAME: Final = "resilient-client-call"

ONE_EACH: Final = 1 << 31
"""As many threads as there are jobs."""


class Job(Generic[T]):
    """Something to run once, in the context it was given in; withdrawn, it does nothing."""

    def __init__(self, run: Callable[[], T]) -> None:
        self._context = copy_context()
        self._run = run
        self.withdrawn = False

    def __call__(self) -> T:
        """Run it."""
        if self.withdrawn:
            raise CancelledError
        return self._context.run(self._run)


class Threads:
    """Pools of threads, one for each number of them that is asked for; made when needed, and anew in a forked child."""

    def __init__(self) -> None:
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """Start over: threads do not survive a fork."""
        self._lock = threading.Lock()
        self._pools: dict[int, ThreadPoolExecutor] = {}
        self._members: set[int] = set()
        self._futures: WeakSet[Future[Any]] = WeakSet()

    def submit(self, run: Callable[[], T], at_most: int) -> Future[T]:
        """Run `run` on one of at most `at_most` threads; on the caller's own when this machine has none to give."""
        with self._lock:
            pool = self._pools.get(at_most)
            if pool is None:
                members = self._members  # a thread that knew more would keep the client alive
                pool = ThreadPoolExecutor(at_most, NAME, lambda: members.add(threading.get_ident()))
                self._pools[at_most] = pool
        job = Job(run)
        try:
            future = pool.submit(job)
        except RuntimeError:  # no thread could be started; the job is in the queue all the same
            job.withdrawn = True
            return _done(run)
        with self._lock:
            self._futures.add(future)
        return future

    def close(self, *, wait: bool) -> None:
        """Wait until what was submitted is done; or else forget what has not begun."""
        with self._lock:
            pools, self._pools = self._pools, {}
            futures = list(self._futures)
        inside = threading.get_ident() in self._members  # a thread cannot wait for its own end
        for pool in pools.values():
            pool.shutdown(wait=wait and not inside, cancel_futures=not wait)
        if not wait:
            _wake(futures)


def _wake(futures: list[Future[Any]]) -> None:
    """Wake who waits for a future that was cancelled in the queue of a pool that is shut down: nobody else does."""
    for future in wait_for(futures, timeout=0).not_done:
        if future.cancelled():
            with suppress(RuntimeError):  # a thread that had it already did so in this moment
                future.set_running_or_notify_cancel()


def _done(run: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(run())
    except Exception as problem:  # noqa: BLE001 - handed to whoever asks for the result
        future.set_exception(problem)
    return future
