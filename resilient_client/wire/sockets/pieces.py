"""The pieces of a body on an event loop: from an ordinary iterator, or from an asynchronous one that may be late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from resilient_client.wire.sockets import Expired
from resilient_client.wire.sockets.blocking import BlockingChunks
from resilient_client.wire.sockets.timing import limit_at

PIECES_PER_TURN: Final = 8
"""Pieces that are sent before other tasks get a turn, where nothing makes the sender wait."""


class YieldingChunks(BlockingChunks):
    """A body from an ordinary iterator, whose pieces never wait: the loop gets a turn now and then."""

    __slots__ = ("_taken",)

    def __init__(self, iterator: Iterator[bytes]) -> None:
        super().__init__(iterator)
        self._taken = 0

    async def next(self) -> bytes | None:
        """Return the next piece, letting others run between every few."""
        self._taken += 1
        if self._taken % PIECES_PER_TURN == 0:
            await asyncio.sleep(0)
        return await super().next()


class AsyncPieces:
    """What an asynchronous iterator gives, however long that takes."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: AsyncIterator[bytes]) -> None:
        self._iterator = iterator

    async def next(self) -> bytes | None:
        """Return the next piece."""
        return await anext(self._iterator, None)

    def stop(self) -> None:
        """Let it wait: nobody asks for this."""


class AsyncChunks(AsyncPieces):
    """A body from an asynchronous iterator; a piece that does not come in time ends the attempt."""

    __slots__ = ("_limit", "_until")

    def __init__(self, iterator: AsyncIterator[bytes], until: float) -> None:
        super().__init__(iterator)
        self._until = until
        self._limit: asyncio.Timeout | None = None

    def stop(self) -> None:
        """Have the iterator cancelled where it waits; harmless while it does not."""
        limit, self._limit = self._limit, None
        if limit is not None:
            limit.reschedule(asyncio.get_running_loop().time())

    async def next(self) -> bytes | None:
        """Return the next piece."""
        limit = self._limit = limit_at(self._until)
        try:
            async with limit:
                return await super().next()
        except TimeoutError:
            if limit.expired():
                raise Expired("the request body did not come in time") from None
            raise
        finally:
            self._limit = None
