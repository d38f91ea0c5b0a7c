"""A request body as any httpx transport takes it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, cast

import httpx

from resilient_client.exchange import Body
from resilient_client.wire.bodies import checked_piece


class RequestStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as any httpx transport takes it."""

    def __init__(self, body: Body) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(cast("Iterable[bytes]", self.body.chunks()))  # a blocking client takes no asynchronous body
        while (piece := _next(pieces)) is not None:
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self.body.chunks()
        if not isinstance(pieces, AsyncIterable):
            for piece in self:
                yield piece
            return
        later = aiter(pieces)
        while (later_piece := await _anext(later)) is not None:
            yield later_piece


class BodyFailed(Exception):
    """The caller's own body raised; its exception is the cause."""


def _blame(problem: Exception) -> BodyFailed:
    return BodyFailed(f"the request body could not be read: {type(problem).__name__}: {problem}")


def _next(pieces: Iterator[bytes]) -> bytes | None:
    try:
        return checked_piece(next(pieces, None))
    except Exception as problem:
        raise _blame(problem) from problem


async def _anext(pieces: AsyncIterator[bytes]) -> bytes | None:
    try:
        return checked_piece(await anext(pieces, None))
    except Exception as problem:
        raise _blame(problem) from problem


def pieces_of(stream: Any) -> Iterable[bytes] | AsyncIterable[bytes]:
    """Return what a transport was given to send, without the layer that only foreign transports need."""
    pieces: Iterable[bytes] | AsyncIterable[bytes] = (
        stream.body.chunks() if isinstance(stream, RequestStream) else stream
    )
    return pieces
