"""Threads of one blocking client, for calls that somebody else waits for; there are none until the first of them.

How many are at work is asked anew for each call: a bulkhead grows and shrinks with its file, and `gather` may be given
a number of its own. So the executor below only lends threads, and the calls queue here.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final, Generic, TypeVar

from resilient_client.forking import on_fork

T = TypeVar("T")

NAME: Final = "resilient-client-call"


class Job(Generic[T]):
    """Something to run once, in the context it was given in, unless its future is cancelled before."""

    __slots__ = ("_context", "_run", "future")

    def __init__(self, run: Callable[[], T]) -> None:
        self._context = copy_context()
        self._run = run
        self.future: Future[T] = Future()

    def __call__(self) -> None:
        """Run it, and hand what comes of it to its future."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            value = self._context.run(self._run)
        except BaseException as problem:  # noqa: BLE001 - handed to whoever asks for the result
            self.future.set_exception(problem)
        else:
            self.future.set_result(value)

    def forget(self) -> None:
        """Cancel it, unless somebody has, and wake those who wait for it."""
        self.future.cancel()
        self.future.set_running_or_notify_cancel()


class Worker:
    """Takes job after job until there is none. It does not know the client, which it would keep alive."""

    __slots__ = ("_jobs",)

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def __call__(self) -> None:
        """Work."""
        while (job := self._jobs.take(self)) is not None:
            job()
            del job  # and with it the client, while this waits for the next


class Jobs:
    """What waits for a thread, in the order it came, and who works on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job[Any]] = deque()
        self._workers: set[Worker] = set()

    def put(self, job: Job[Any], at_most: int) -> Worker | None:
        """Add a job; return a worker that needs a thread, if fewer than `at_most` are at work."""
        with self._lock:
            self._waiting.append(job)
            if len(self._workers) >= at_most:
                return None
            worker = Worker(self)
            self._workers.add(worker)
            return worker

    def take(self, worker: Worker) -> Job[Any] | None:
        """Return the next job for `worker`; without one it has left."""
        with self._lock:
            if worker in self._workers and self._waiting:
                return self._waiting.popleft()
            self._workers.discard(worker)
            return None

    def take_back(self, job: Job[Any], worker: Worker) -> bool:
        """Dismiss `worker`, for whom there is no thread; return whether `job` is still here, and take it out."""
        with self._lock:
            self._workers.discard(worker)
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    def forget(self) -> None:
        """Cancel what waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            job.forget()


class Threads:
    """Threads that come when they are needed, and anew in a forked child."""

    def __init__(self) -> None:
        self.after_fork()
        on_fork(self)

    def after_fork(self) -> None:
        """Start over: threads do not survive a fork."""
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._members: set[int] = set()
        self._jobs = Jobs()

    def submit(self, run: Callable[[], T], at_most: int) -> Future[T]:
        """Run `run` when fewer than `at_most` others run; on the caller's thread when this machine has none to give."""
        with self._lock:
            if self._pool is None:
                members = self._members  # a thread that knew more would keep the client alive
                self._pool = ThreadPoolExecutor(sys.maxsize, NAME, lambda: members.add(threading.get_ident()))
            pool = self._pool
        job = Job(run)
        worker = self._jobs.put(job, at_most)
        if worker is None:
            return job.future
        try:
            pool.submit(worker)
        except RuntimeError:  # no thread could be started; the worker is in the queue all the same
            if self._jobs.take_back(job, worker):
                return _done(run)
        return job.future

    def close(self, *, wait: bool) -> None:
        """Wait until what was submitted is done; or else forget what has not begun."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            if not wait:
                self._jobs.forget()
            inside = threading.get_ident() in self._members  # a thread cannot wait for its own end
            pool.shutdown(wait=wait and not inside, cancel_futures=not wait)


def _done(run: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(run())
    except Exception as problem:  # noqa: BLE001 - handed to whoever asks for the result
        future.set_exception(problem)
    return future
