"""The default wire: drives an httpx transport directly, ours or any other.

Not through `httpx.Client`: its send path costs more than the rest together, logs full URLs, and follows redirects with
credentials. The transport seam is all that is used, and by duck type, so that other packages of the family fit.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from math import inf
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import httpx

from resilient_client.exchange import Answer, Limits, WireRequest
from resilient_client.headers import Headers
from resilient_client.wire.auth_flows import AuthenticatingWire
from resilient_client.wire.pool import BODY, FRESH, LIMITS, REUSED, UPGRADE, Pool
from resilient_client.wire.request_stream import RequestStream
from resilient_client.wire.sockets import Expired
from resilient_client.wire.sockets.blocking import BlockingChunks
from resilient_client.wire.sockets.pieces import AsyncChunks, AsyncPieces
from resilient_client.wire.sockets.timing import limit_at
from resilient_client.wire.transports import TransportBody, cause_of, classified
from resilient_client.wire.urls import httpx_url

if TYPE_CHECKING:
    from resilient_client.wire.sockets import ChunkSource


HTTPX_CODE: Final = httpx.HTTPTransport.__enter__.__code__.co_filename
"""Where httpx's own methods are from. Who patches one puts a function from elsewhere in its place, or no function."""


def _peer_of(extensions: Any) -> Callable[[], tuple[str, int] | None] | None:
    """Return what asks a transport's response for the address it came from."""
    network = extensions.get("network_stream")
    if network is None:
        return None

    def ask() -> tuple[str, int] | None:
        address = network.get_extra_info("server_addr")
        return (address[0], address[1]) if isinstance(address, tuple) else None

    return ask


class HttpxWire(AuthenticatingWire):
    """What is the same for threads and tasks; the two below differ in how a transport is called."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.ours = self.judges_addresses = isinstance(getattr(transport, "_pool", None), Pool)

    @property
    def upgrades(self) -> bool:
        """Whether it gives a connection that changed protocols to whom asked for that."""
        return self.ours

    async def _exchange(self, request: WireRequest, limits: Limits, *, fresh: bool) -> Answer:
        try:
            if self.ours and self.untouched():
                return await self._straight(request, limits, fresh=fresh)
            outgoing = self._outgoing(request, limits, fresh=fresh)
            return self._answer(await self.handle(outgoing, limits), limits)
        except Exception as problem:  # noqa: BLE001 - a transport may raise anything
            raise classified(problem, limits) from cause_of(problem)

    async def _straight(self, request: WireRequest, limits: Limits, *, fresh: bool) -> Answer:
        """Go straight to our pool: nobody is in between who would want to see httpx's objects."""
        pool: Pool = self._transport._pool  # noqa: SLF001 - where httpx's own transport keeps it
        method = request.method.encode("ascii")
        status, headers, body = await pool.exchange(
            method, request.url, request.headers, request.body.chunks(), limits, fresh=fresh, upgrade=request.upgrade
        )
        switched = body.switched if status == 101 else None
        return Answer(status, Headers.received(headers), body, body.reused, body.version, body.peer, switched)

    def _outgoing(self, request: WireRequest, limits: Limits, *, fresh: bool) -> httpx.Request:
        extensions: dict[str, Any] = {"timeout": _plain_timeouts(limits)}
        if self.ours:
            extensions[LIMITS] = limits
            extensions[FRESH] = fresh
            extensions[UPGRADE] = request.upgrade
        return httpx.Request(
            request.method,
            httpx_url(request.url),
            headers=request.headers,
            stream=RequestStream(request.body),
            extensions=extensions,
        )

    def _answer(self, response: Any, limits: Limits) -> Answer:
        headers = Headers.received(response.headers.raw)
        extensions = response.extensions
        version = extensions.get("http_version", b"HTTP/1.1").decode("ascii", "replace")
        reused = extensions.get(REUSED, False)
        body, pooled = TransportBody(self, response, limits), extensions.get(BODY)
        switched = pooled.switched if pooled is not None and response.status_code == 101 else None
        return Answer(response.status_code, headers, body, reused, version, _peer_of(extensions), switched)

    # How a transport is called: once for threads, once for tasks.

    @abstractmethod
    def untouched(self) -> bool:
        """Return whether httpx's transport is as it came: nobody patched it to watch or to answer."""

    @abstractmethod
    async def handle(self, request: httpx.Request, limits: Limits) -> Any:
        """Hand `request` to the transport."""

    @abstractmethod
    def pieces(self, stream: Any, limits: Limits) -> ChunkSource:
        """Return the body of a transport's response as pieces."""

    @abstractmethod
    async def over(self, response: Any) -> None:
        """Close a response that was read to its end, so that a foreign transport gives its connection back."""

    @abstractmethod
    def let_go(self, response: Any) -> None:
        """Close a response that was not read to its end, without waiting."""

    @abstractmethod
    async def close(self) -> None:
        """Close the transport and its connections."""


class BlockingHttpxWire(HttpxWire):
    """A wire for threads. A foreign transport is given shorter timeouts, but cannot be interrupted."""

    asynchronous = False

    def untouched(self) -> bool:
        """Return whether httpx's method is its own."""
        method = httpx.HTTPTransport.handle_request
        return type(method) is FunctionType and method.__code__.co_filename == HTTPX_CODE

    async def handle(self, request: httpx.Request, limits: Limits) -> Any:  # noqa: ARG002 - nothing here can interrupt it
        """Block until the transport answers."""
        return self._transport.handle_request(request)

    def pieces(self, stream: Any, limits: Limits) -> ChunkSource:  # noqa: ARG002 - see handle()
        """Return the body's pieces."""
        return BlockingChunks(iter(stream))

    async def over(self, response: Any) -> None:
        """Close the response."""
        if not self.ours:
            response.stream.close()

    def let_go(self, response: Any) -> None:
        """Close the response; one that does not take it well was given up already."""
        with suppress(Exception):
            response.stream.close()

    async def close(self) -> None:
        """Close the transport."""
        self._transport.close()


class AnswerChunks(AsyncChunks):
    """The body of a foreign transport's answer; what its attempt may last changes when it is a stream."""

    __slots__ = ("_limits",)

    def __init__(self, iterator: Any, limits: Limits) -> None:
        super().__init__(iterator, limits.attempt_until)
        self._limits = limits

    async def next(self) -> bytes | None:
        """Return the next piece."""
        self._until = self._limits.attempt_until
        return await super().next()


class AsyncioHttpxWire(HttpxWire):
    """A wire for tasks. A foreign transport is interrupted when the attempt's time is up."""

    asynchronous = True

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self._closing: set[asyncio.Task[None]] = set()

    def untouched(self) -> bool:
        """Return whether httpx's method is its own."""
        method = httpx.AsyncHTTPTransport.handle_async_request
        return type(method) is FunctionType and method.__code__.co_filename == HTTPX_CODE

    async def handle(self, request: httpx.Request, limits: Limits) -> Any:
        """Await the transport's answer, no longer than the attempt may last."""
        if self.ours or limits.attempt_until == inf:
            return await self._transport.handle_async_request(request)
        limit = limit_at(limits.attempt_until)
        try:
            async with limit:
                return await self._transport.handle_async_request(request)
        except TimeoutError:
            if limit.expired():
                raise Expired("the transport did not answer in time") from None
            raise

    def pieces(self, stream: Any, limits: Limits) -> ChunkSource:
        """Return the body's pieces."""
        return AsyncPieces(aiter(stream)) if self.ours else AnswerChunks(aiter(stream), limits)

    async def over(self, response: Any) -> None:
        """Close the response."""
        if not self.ours:
            await response.stream.aclose()

    def let_go(self, response: Any) -> None:
        """Close the response; a foreign one in a task of its own, since that may wait."""
        pooled = response.extensions.get(BODY)  # none from a tool that answers in our transport's place
        if pooled is not None:
            pooled.close()
            return
        self.close_later(response.stream)

    def close_later(self, stream: Any) -> None:
        """Close what takes waiting to be closed in a task of its own; raises `RuntimeError` without an event loop."""
        loop = asyncio.get_running_loop()
        closing = loop.create_task(_close_quietly(stream))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


async def _close_quietly(stream: Any) -> None:
    with suppress(Exception):  # it was given up already; how it takes that tells nobody anything
        await stream.aclose()


def _plain_timeouts(limits: Limits) -> dict[str, float | None]:
    """Return the limits as the plain numbers that every httpx transport understands."""
    moment = limits.clock()
    left = max(0.0, limits.attempt_until - moment)

    def seconds(value: float) -> float | None:
        value = min(value, left)
        return None if value == inf else value

    return {
        "connect": seconds(limits.connect),
        "read": seconds(limits.read),
        "write": seconds(limits.write),
        "pool": seconds(inf),
    }
