"""Send one HTTP/1.1 request, listening for an answer that makes the rest of its body unwanted.

A server that says 413 or 401 to the first bytes of an upload is heard at once, not when the connection breaks or the
last byte has gone (RFC 9112, section 9.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h11

from resilient_client.backends import run_sync
from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import checked_piece
from resilient_client.wire.classify import said
from resilient_client.wire.sockets import Expired

if TYPE_CHECKING:
    from resilient_client.exchange import Limits
    from resilient_client.wire.http1 import Http1Connection
    from resilient_client.wire.http1_request import OutgoingRequest
    from resilient_client.wire.sockets import ChunkSource

JOIN_BELOW: Final = 64 * 1024
"""A first body piece up to this size leaves together with the head, in one write."""


class Upload:
    """One request on its way. Nobody listens before something of it was sent: there is nothing to be answered."""

    def __init__(self, connection: Http1Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits
        self._begun = False
        self._unwanted = False
        self._problem: WireError | None = None

    async def send(self, request: OutgoingRequest, chunks: Any) -> None:
        """Send a request and its body, or as much of it as is wanted; raises `WireError` or `OSError`."""
        connection = self._connection
        data = request.head
        try:
            if chunks != ():
                data = await self._send_body(
                    request, data, connection.network.iterate(chunks, self._limits.attempt_until)
                )
            if not self._unwanted:
                await self._write(data + request.end())
            request.whole = not self._unwanted
        except h11.LocalProtocolError as problem:
            raise connection.error(FailureKind.LOCAL, f"the request is not valid HTTP/1.1: {problem}") from problem

    async def _send_body(self, request: OutgoingRequest, data: bytes, source: ChunkSource) -> bytes:
        """Send `data` and the body's pieces; returns what still has to go before the end."""
        while not self._unwanted and (piece := await self._piece(source)) is not None:
            framed = request.piece(piece)
            if len(piece) > JOIN_BELOW:
                await self._write(data)
                data = b""
            await self._write(data + framed)
            data = b""
        return data

    async def _piece(self, source: ChunkSource) -> bytes | None:
        """Return the next piece, None when there is none or it is not wanted; what is wrong with it is the caller's."""
        limits, connection = self._limits, self._connection
        limits.check("sending the request", sent=connection.sent)
        if self._begun:
            connection.stream.on_news(lambda: self._overhear(source))
        try:
            piece = checked_piece(await source.next())
        except Expired as problem:
            if self._unwanted:
                return None
            late = connection.error(limits.expired(FailureKind.WRITE_TIMEOUT), str(problem))
            raise self._problem or late from problem
        except Exception as problem:
            why = f"the request body could not be read: {said(problem)}"
            raise connection.error(FailureKind.LOCAL, why) from problem
        finally:
            if self._begun:
                connection.stream.on_news(None)
        if self._problem is not None:  # the piece came all the same
            raise self._problem
        return piece

    def _overhear(self, source: ChunkSource) -> None:
        """Look at what came while a piece is waited for; what is here can be read without waiting."""
        try:
            self._unwanted = run_sync(self._connection.listen())
        except WireError as problem:
            self._problem = problem
        if self._unwanted or self._problem is not None:
            source.stop()

    async def _write(self, data: bytes | memoryview) -> None:
        limits, connection = self._limits, self._connection
        while data and not self._unwanted:
            until = limits.begin(limits.write, "sending the request", sent=connection.sent)
            listening = self._begun and connection.early is None
            if listening and await connection.listen():
                self._unwanted = True
                return
            count = await connection.stream.send(data, until, listening=listening)
            data = b"" if count == len(data) else memoryview(data)[count:]
            self._begun = True
