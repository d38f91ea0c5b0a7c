"""A request body as any httpx transport takes it: a file of its own, because its class is made from httpx's."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Any

import httpx

from resilient_client.wire.bodies import Pieces


class RequestStream(Pieces, httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as any httpx transport takes it."""


def pieces_of(stream: Any) -> Iterable[bytes] | AsyncIterable[bytes]:
    """Return what a transport was given to send, without the layer that only foreign transports need."""
    pieces: Iterable[bytes] | AsyncIterable[bytes] = (
        stream.body.chunks() if isinstance(stream, RequestStream) else stream
    )
    return pieces
