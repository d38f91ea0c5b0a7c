"""Waits on an event loop that end at a time, and not before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from math import inf
from typing import Any, Final, TypeVar

from resilient_client.wire.sockets import Expired, now

T = TypeVar("T")

TICK: Final = 0.001
"""Seconds that a loop's timer may be early: uvloop counts whole milliseconds. What is early would not look late."""


def _expire(future: asyncio.Future[Any], until: float) -> None:
    if future.done():
        return
    if now() < until:
        future.get_loop().call_later(TICK, _expire, future, until)
        return
    future.set_exception(Expired("the socket was not ready in time"))


class Alarm:
    """Ends the waits of one reader, or of one writer, at their times.

    Nearly every wait is over long before its time, and the next one ends later. So the loop's timer is left in place:
    there is one for as long as a wait may last, not one for each wait.
    """

    __slots__ = ("_future", "_loop", "_rings", "_timer", "_until")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._rings = inf
        self._future: asyncio.Future[Any] | None = None
        self._until = inf

    def watch(self, future: asyncio.Future[Any], until: float) -> None:
        """Have `future`, which is about to be awaited, end with `Expired` at the time `until`."""
        self._future, self._until = future, until
        if until < self._rings:
            self._set(until)

    def _set(self, until: float) -> None:
        self.stop()
        self._rings = until
        self._timer = self._loop.call_later(max(TICK, until - now()), self._ring)

    def _ring(self) -> None:
        self._timer, self._rings = None, inf
        future = self._future
        if future is None or future.done():
            return
        if now() >= self._until:
            future.set_exception(Expired("the socket was not ready in time"))
        elif self._until < inf:
            self._set(self._until)

    def stop(self) -> None:
        """Let go of the loop's timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._rings = None, inf


async def in_time(future: asyncio.Future[T], until: float) -> T:
    """Return what `future` comes to; raises `Expired` at the time `until`."""
    if until == inf:
        return await future
    timer = future.get_loop().call_later(max(0.0, until - now()), _expire, future, until)
    try:
        return await future
    finally:
        timer.cancel()


def limit_at(until: float) -> asyncio.Timeout:
    """Return a limit that is over at the time `until`, never when that is `inf`."""
    return asyncio.timeout(None if until == inf else max(0.0, until - now() + TICK))


async def within(awaitable: Awaitable[T], until: float, late: str) -> T:
    """Return what `awaitable` comes to; at the time `until` it is cancelled, and `Expired` says that it was `late`."""
    if until == inf:
        return await awaitable
    limit = limit_at(until)
    try:
        async with limit:
            return await awaitable
    except TimeoutError:
        if limit.expired():
            raise Expired(late) from None
        raise
