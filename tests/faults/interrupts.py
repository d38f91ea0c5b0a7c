"""Interrupt a call at a moment that the far side knows: cancel its task, or send SIGINT to its thread."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 10.0
"""Seconds until a moment that does not come is given up; the row then fails."""

SETTLED: Final = 0.02
"""Seconds between two looks at a thread: when it slept all the while, it is in its wait."""

Moment = Callable[[Any], object]
"""Whether the moment has come, asked with the caller."""


def _until(moment: Moment, caller: Any, over: Callable[[], bool]) -> Iterator[None]:
    """Count the looks that are needed until the moment has come, the call is over or patience is."""
    until = time.monotonic() + PATIENCE
    while not moment(caller) and not over() and time.monotonic() < until:
        yield


def cancelled(moment: Moment) -> Callable[..., Any]:
    """Make the call in a task, and cancel it when the moment has come."""

    def act(caller: Any, method: str, url: str, **options: Any) -> Any:
        async def scene() -> Any:
            task = asyncio.create_task(caller.client.request(method, url, **options))
            for _ in _until(moment, caller, task.done):
                await asyncio.sleep(0.001)
            task.cancel()
            return await task

        return caller.world.finish(scene())

    return act


def _sleeps(thread: int) -> tuple[str, str]:
    """The state of a thread, and how often it has gone to sleep."""
    lines = Path(f"/proc/self/task/{thread}/status").read_text(encoding="ascii").splitlines()
    told = dict(line.split(":", 1) for line in lines)
    return told["State"].split()[0], told["voluntary_ctxt_switches"].strip()


def _asleep(thread: int, over: threading.Event) -> bool:
    """Wait until the thread sleeps in the kernel, or the call is over; return whether it sleeps.

    A signal just before a system call is seen only when that returns. A thread that waits for its turn in the
    interpreter wakes up every few milliseconds, and has then gone to sleep more often.
    """
    before = _sleeps(thread)
    while not over.wait(SETTLED):
        now = _sleeps(thread)
        if now == before and now[0] == "S":
            return True
        before = now
    return False


def signalled(moment: Moment) -> Callable[..., Any]:
    """Make the call, and send SIGINT to its thread when the moment has come. For a process of its own."""

    def act(caller: Any, method: str, url: str, **options: Any) -> Any:
        here, over = threading.get_ident(), threading.Event()
        waiting = threading.get_native_id()

        def watch() -> None:
            for _ in _until(moment, caller, over.is_set):
                time.sleep(0.001)
            if _asleep(waiting, over):
                signal.pthread_kill(here, signal.SIGINT)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            return caller.request(method, url, **options)
        finally:
            over.set()
            watching.join()

    return act
