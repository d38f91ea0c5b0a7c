"""httpx2's transports with their own pools, over sockets that know the limits, and what goes into and out of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2

from resilient_client.wire.bodies import Pieces
from resilient_client.wire.httpx2_network import AsyncioBackend, BlockingBackend
from resilient_client.wire.users import Users

if TYPE_CHECKING:
    from resilient_client.exchange import AnswerBody


class RequestStream2(Pieces, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body as httpx2's transports take it."""


class BlockingTransport2(httpx2.HTTPTransport):
    """httpx2's transport with its pool, over sockets that know the limits."""

    def __init__(self, options: dict[str, Any]) -> None:
        kind = httpcore2.HTTPProxy if "proxy_url" in options else httpcore2.ConnectionPool
        self._pool = kind(network_backend=BlockingBackend(), **options)


class AsyncioTransport2(httpx2.AsyncHTTPTransport):
    """httpx2's asynchronous transport with its pool, over sockets that know the limits."""

    def __init__(self, options: dict[str, Any]) -> None:
        kind = httpcore2.AsyncHTTPProxy if "proxy_url" in options else httpcore2.AsyncConnectionPool
        self._pool = kind(network_backend=AsyncioBackend(), **options)


class Opened:
    """A transport, and who uses it."""

    __slots__ = ("transport", "users")

    def __init__(self, transport: Any, close: Callable[[Any], None]) -> None:
        self.transport = transport
        self.users = Users(lambda: close(transport))


class Counted:
    """The body of an answer, whose end is the end of its exchange."""

    __slots__ = ("_body", "_users")

    def __init__(self, body: AnswerBody, users: Users) -> None:
        self._body = body
        self._users: Users | None = users

    async def read(self) -> bytes:
        """Return the next bytes, empty at the end; raises `WireError`."""
        try:
            data = await self._body.read()
        except BaseException:
            self._over()
            raise
        if not data:
            self._over()
        return data

    def abort(self) -> None:
        """Let go of the rest."""
        self._body.abort()
        self._over()

    def _over(self) -> None:
        users, self._users = self._users, None
        if users is not None:
            users.leave()
