"""A wire over httpx2, the maintained continuation of httpx: its transport with its own pool, driven as httpx's is."""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import httpcore2
import httpx2

from resilient_client.exchange import Answer, Limits, WireError, WireRequest
from resilient_client.forking import on_fork
from resilient_client.result import FailureKind
from resilient_client.wire.choices import refuse
from resilient_client.wire.heads import check_head
from resilient_client.wire.httpx2_network import Hop, Within, spoil_unless_clean
from resilient_client.wire.httpx2_transports import (
    AsyncioTransport2,
    BlockingTransport2,
    Counted,
    Opened,
    RequestStream2,
)
from resilient_client.wire.httpx_wire import AsyncioHttpxWire, BlockingHttpxWire, HttpxWire
from resilient_client.wire.pool import KEEPALIVE, MAX_IDLE
from resilient_client.wire.sockets import Expired
from resilient_client.wire.sockets.pieces import AsyncPieces
from resilient_client.wire.tls_settings import TlsSettings
from resilient_client.wire.transports import cause_of, classified

if TYPE_CHECKING:
    from resilient_client.wire.options import WireOptions
    from resilient_client.wire.sockets import ChunkSource

NAME: Final = "httpx2"

SOCKETS_FIRST: Final = 0.01
"""Seconds after which a wait that is none of a socket's is ended: those end themselves, which closes them in order."""


def make(options: WireOptions, *, asynchronous: bool, base_url: str | None) -> HttpxWire:
    """Return the wire for a client's options; raises `ConfigError` for what httpx2 cannot do."""
    proxy = options.through(base_url)
    if proxy is not None and proxy.socks:
        raise refuse(f"proxy={proxy.scheme}://{proxy.host}", NAME, "its SOCKS keeps no time limits")
    tls = TlsSettings(options.roots(), options.cert, key_log=options.key_log())
    given: dict[str, Any] = {"max_connections": None, "keepalive_expiry": KEEPALIVE, "ssl_context": tls.context()}
    if proxy is not None:
        given["proxy_url"] = httpcore2.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/")
        given["proxy_auth"] = None if proxy.user is None else (proxy.user, proxy.password)
        if proxy.scheme == "https":
            given["proxy_ssl_context"] = TlsSettings(True if options.verify is False else options.roots()).context()
    if options.uds is not None:
        given["uds"] = os.fspath(options.uds)
    if options.local_address is not None:
        given["local_address"] = options.local_address
    return AsyncioHttpx2Wire(given) if asynchronous else BlockingHttpx2Wire(given)


class Httpx2Wire(HttpxWire):
    """What is the same for threads and tasks. A transport serves one event loop; one more of each keeps nothing."""

    name = NAME

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(None)
        self._options = options
        self._opened: WeakKeyDictionary[Any, dict[bool, Opened]] = WeakKeyDictionary()
        self._of_the_parent: list[Any] = []
        on_fork(self)

    async def _exchange(self, request: WireRequest, limits: Limits, *, fresh: bool) -> Answer:
        if limits.attempt_until <= limits.clock():
            raise WireError(limits.attempt_kind, "the time was up before the request was sent", sent=False)
        opened = self._transport_of(fresh=fresh)
        hop = Hop(limits)
        opened.users.enter()
        response: Any = None
        try:
            response = await self.handled(opened.transport, _request(request, hop))
            check_head(response.status_code, response.headers.raw, response.headers.get)
        except BaseException as problem:
            if response is not None:
                self.let_go(response)
            opened.users.leave()
            error = classified(problem, limits)
            if isinstance(error, WireError):
                error.sent = hop.sent and error.sent
                error.reused = hop.reused
                error.stale = hop.reused and error.kind is FailureKind.RESET
                raise error from cause_of(problem)
            raise
        answer = self._answer(response, limits)
        answer.reused = hop.reused
        answer.body = Counted(answer.body, opened.users)
        return answer

    async def over(self, response: Any) -> None:
        """Give the connection back, unless there was something behind the answer."""
        spoil_unless_clean(response)
        await super().over(response)  # type: ignore[safe-super]

    def _transport_of(self, *, fresh: bool) -> Opened:
        mine = self._opened.setdefault(self.home(), {})
        opened = mine.get(fresh)
        if opened is None:
            options = {**self._options, "max_keepalive_connections": 0 if fresh else MAX_IDLE}
            opened = mine[fresh] = Opened(self.transport(options), self.shut)
        return opened

    def retire(self) -> None:
        """Close every connection without waiting; those in use when their answer was read."""
        for mine in self._opened.values():
            for opened in mine.values():
                opened.users.let_go()

    def after_fork(self) -> None:
        """In a forked child: leave the parent's connections alone, without a word to their servers."""
        self._of_the_parent.append(dict(self._opened))
        self._opened = WeakKeyDictionary()

    # What differs.

    @abstractmethod
    def home(self) -> Any:
        """Return what a connection made now belongs to."""

    @abstractmethod
    def transport(self, options: dict[str, Any]) -> Any:
        """Return a new transport."""

    @abstractmethod
    def shut(self, transport: Any) -> None:
        """Close a transport without waiting."""

    @abstractmethod
    async def handled(self, transport: Any, request: httpx2.Request) -> Any:
        """Return the transport's response."""


def _request(request: WireRequest, hop: Hop) -> httpx2.Request:
    limits = hop.limits
    timeouts = {name: Within(hop, getattr(limits, name)) for name in ("connect", "read", "write")}
    return httpx2.Request(
        request.method,
        request.url.text,
        headers=request.headers,
        stream=RequestStream2(request.body, request.headers),
        extensions={"timeout": timeouts, "target": request.url.target.encode("ascii")},
    )


class BlockingHttpx2Wire(Httpx2Wire, BlockingHttpxWire):
    """A wire for threads; every wait of theirs at a socket ends with the attempt."""

    def home(self) -> Any:
        """Return one constant."""
        return type(self)

    def transport(self, options: dict[str, Any]) -> Any:
        """Return a new transport."""
        return BlockingTransport2(options)

    def shut(self, transport: Any) -> None:
        """Close a transport."""
        with suppress(Exception):
            transport.close()

    async def close(self) -> None:
        """Close every connection; those in use when their answer was read."""
        self.retire()

    async def handled(self, transport: Any, request: httpx2.Request) -> Any:
        """Block until the answer has begun."""
        return transport.handle_request(request)


class AsyncioHttpx2Wire(Httpx2Wire, AsyncioHttpxWire):
    """A wire for tasks; every wait of theirs at a socket ends with the attempt."""

    def __init__(self, options: dict[str, Any]) -> None:
        Httpx2Wire.__init__(self, options)

    def home(self) -> Any:
        """Return the running event loop."""
        return asyncio.get_running_loop()

    def transport(self, options: dict[str, Any]) -> Any:
        """Return a new transport."""
        return AsyncioTransport2(options)

    def shut(self, transport: Any) -> None:
        """Close a transport in a task of its own, if there is a loop for it."""
        with suppress(RuntimeError):
            self.close_later(transport)

    async def close(self) -> None:
        """Close every connection; those in use when their answer was read."""
        self.retire()
        if self._closing:
            await asyncio.wait(self._closing)

    async def handled(self, transport: Any, request: httpx2.Request) -> Any:
        """Await the beginning of the answer; sockets keep the time, though not for a piece of a request."""
        limits = request.extensions["timeout"]["read"].hop.limits
        left = limits.attempt_until - limits.clock()
        try:
            async with asyncio.timeout(None if left == inf else left + SOCKETS_FIRST):
                return await transport.handle_async_request(request)
        except TimeoutError as problem:
            raise Expired("the transport did not answer in time") from problem

    def pieces(self, stream: Any, limits: Limits) -> ChunkSource:  # noqa: ARG002 - see below
        """Return the body's pieces; it is the sockets that keep the time."""
        return AsyncPieces(aiter(stream))
