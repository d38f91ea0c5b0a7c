"""Interrupt a call at a moment that the far side knows: cancel its task, or send SIGINT to its thread."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

PATIENCE: Final = 10.0
"""Seconds until a moment that does not come is given up; the row then fails."""

SETTLED: Final = 0.05
"""Seconds in which the thread gets into its wait: a signal just before a system call is seen only when that returns."""

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


def signalled(moment: Moment) -> Callable[..., Any]:
    """Make the call, and send SIGINT to its thread when the moment has come. For a process of its own."""

    def act(caller: Any, method: str, url: str, **options: Any) -> Any:
        here, over = threading.get_ident(), threading.Event()

        def watch() -> None:
            for _ in _until(moment, caller, over.is_set):
                time.sleep(0.001)
            if not over.wait(SETTLED):
                signal.pthread_kill(here, signal.SIGINT)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            return caller.request(method, url, **options)
        finally:
            over.set()
            watching.join()

    return act
