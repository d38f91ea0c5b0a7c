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
