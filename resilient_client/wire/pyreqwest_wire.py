"""A wire over pyreqwest's own interface: hyper in Rust, on a thread of its own.

Every step into that thread and back costs more than all policies, so that there is one per call: it brings the head and
a body of up to 64 KiB. Its timer, not one of ours, ends an attempt; connect and read timeouts belong to a client there,
which is why there is one for each pair that is asked for.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from contextlib import suppress
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final

from pyreqwest.client import ClientBuilder, SyncClientBuilder
from pyreqwest.http import HeaderMap, Url

from resilient_client.exchange import Answer, WireError
from resilient_client.headers import Headers
from resilient_client.result import FailureKind
from resilient_client.wire.auth_flows import AuthenticatingWire
from resilient_client.wire.bodies import BytesBody, Pieces
from resilient_client.wire.pool import KEEPALIVE
from resilient_client.wire.pyreqwest_answers import ReqwestBody, head_of
from resilient_client.wire.pyreqwest_clients import AT_ONCE, ClientOptions, Clients, duration
from resilient_client.wire.pyreqwest_errors import of_pyreqwest
from resilient_client.wire.sockets.timing import TICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from resilient_client.exchange import Limits, RawHeaders, WireRequest
    from resilient_client.policy import Policy
    from resilient_client.wire.options import WireOptions

MOST_ORIGINS: Final = 1024

VERSIONS: Final = {"HTTP/0.9": "HTTP/0.9", "HTTP/1.0": "HTTP/1.0", "HTTP/1.1": "HTTP/1.1", "HTTP/2.0": "HTTP/2"}

url_of = lru_cache(maxsize=1024)(Url)


def make(options: WireOptions, *, asynchronous: bool, base_url: str | None) -> PyreqwestWire:
    """Return the wire for a client's options; raises `ConfigError` for what pyreqwest cannot do."""
    return (AsyncioWire if asynchronous else BlockingWire)(ClientOptions.of(options, base_url))


class PyreqwestWire(AuthenticatingWire):
    """What is the same for threads and tasks; the two below differ in how they step into the other thread."""

    name = "pyreqwest"

    def __init__(self, options: ClientOptions) -> None:
        self._clients = Clients(options, self.new_builder, asynchronous=self.asynchronous)
        self._kept_until: dict[str, float] = {}
        self._coded: tuple[RawHeaders, Any] = ([], HeaderMap())

    def prepare(self, policies: Iterable[Policy]) -> None:
        """Make what calls under `policies` need; raises `ConfigError` when that cannot be made."""
        for policy in policies:
            self._clients.prepare(policy.timeouts)

    async def _exchange(self, request: WireRequest, limits: Limits, *, fresh: bool) -> Answer:
        asked = self._built(request, limits, fresh=fresh)
        origin = request.url.origin
        kept_until = self._kept_until.get(origin)
        try:
            response = await self.enter(asked, limits)
        except Exception as problem:  # noqa: BLE001 - classified
            reused = not fresh and kept_until is not None and kept_until >= limits.clock()
            if reused:
                self._kept_until.pop(origin, None)  # one that is found dead says nothing of a second
            raise of_pyreqwest(problem, limits, reused=reused) from problem.__cause__  # it says the whole URL itself
        try:
            pairs, length = head_of(response)
            if length < AT_ONCE and limits.stream_until is None:
                content = bytes(await self.rest(response.body_reader))
                self.kept(origin, limits)
                return Answer(response.status, Headers(pairs), BytesBody(content), False, VERSIONS[response.version])
        except BaseException as problem:
            self.let_go(asked)
            if isinstance(problem, WireError):  # its connection may be back in the pool, and goes with its client only
                self._clients.forget()
            raise
        body = ReqwestBody(self, asked, response.body_reader, limits, origin)
        return Answer(response.status, Headers(pairs), body, False, VERSIONS[response.version])

    # A request for pyreqwest.

    def _built(self, request: WireRequest, limits: Limits, *, fresh: bool) -> Any:
        """Return the request, ready to be sent; raises `WireError` for one that pyreqwest does not take."""
        content = request.body.content
        client = self._clients.get(limits, content, fresh=fresh)
        until = limits.attempt_until if limits.stream_until is None else limits.stream_until
        left = until - limits.clock()
        if left <= 0:
            raise WireError(limits.attempt_kind, "the time was up before the request was sent", sent=False)
        try:
            builder = client.request(request.method, url_of(request.url.text)).headers(self._fields(request.headers))
            if limits.stream_until is not None:
                builder = builder.streamed_read_buffer_limit(1)
            if left < inf:
                builder = builder.timeout(duration(left))
            if content is None:
                builder = builder.body_stream(self.pieces(Pieces(request.body, request.headers), limits))
            elif content:
                builder = builder.body_bytes(content)
            return builder.build_streamed()
        except (ValueError, TypeError) as problem:
            raise WireError(FailureKind.LOCAL, f"pyreqwest cannot send this request: {problem}", sent=False) from None

    def _fields(self, raw: RawHeaders) -> Any:
        """Return header fields as pyreqwest takes them; the calls of a client share a list of them as often as not."""
        before, coded = self._coded
        if before is not raw:
            coded = HeaderMap([(name.decode("ascii"), value.decode("latin-1")) for name, value in raw])
            self._coded = raw, coded
        return coded

    def kept(self, origin: str, limits: Limits) -> None:
        """Note that a connection to `origin` went back to the pool, for which pyreqwest has no word."""
        if len(self._kept_until) >= MOST_ORIGINS:
            self._kept_until = {}
        self._kept_until[origin] = limits.clock() + KEEPALIVE

    async def close(self) -> None:
        """Let go of the clients: idle connections are closed, those in use when their answer was read."""
        self._clients.forget()

    # How the other thread is asked: once for threads, once for tasks.

    @abstractmethod
    def new_builder(self) -> Any:
        """Return what builds a client."""

    @abstractmethod
    async def enter(self, asked: Any, limits: Limits) -> Any:
        """Send a request and return its response with the beginning of the body."""

    @abstractmethod
    async def chunk(self, reader: Any, limits: Limits) -> Any:
        """Return the next piece of a body, None at its end."""

    @abstractmethod
    async def rest(self, reader: Any) -> Any:
        """Return the whole of a body that is here already."""

    @abstractmethod
    def let_go(self, asked: Any) -> None:
        """Close a response that was not read to its end, without waiting."""

    @abstractmethod
    def pieces(self, pieces: Pieces, limits: Limits) -> Any:
        """Return what iterates over a request's body."""


class BlockingWire(PyreqwestWire):
    """A wire for threads: they wait in Rust, without the lock of the interpreter."""

    asynchronous = False

    def new_builder(self) -> Any:
        """Return what builds a blocking client."""
        return SyncClientBuilder()

    async def enter(self, asked: Any, limits: Limits) -> Any:  # noqa: ARG002 - pyreqwest's timers end it
        """Block until the answer has begun."""
        return asked.__enter__()

    async def chunk(self, reader: Any, limits: Limits) -> Any:  # noqa: ARG002 - as above
        """Block until a piece has come."""
        return reader.read_chunk()

    async def rest(self, reader: Any) -> Any:
        """Take what is here."""
        return reader.bytes()

    def let_go(self, asked: Any) -> None:
        """Close the response."""
        with suppress(Exception):
            asked.__exit__(None, None, None)

    def pieces(self, pieces: Pieces, limits: Limits) -> Any:  # noqa: ARG002 - nobody waits for a thread's iterator
        """Return a generator."""
        return iter(pieces)


class AsyncioWire(PyreqwestWire):
    """A wire for tasks. Only the beginning of a stream needs a timer of ours: its body may take longer."""

    asynchronous = True

    def new_builder(self) -> Any:
        """Return what builds an asynchronous client."""
        return ClientBuilder()

    async def enter(self, asked: Any, limits: Limits) -> Any:
        """Await the beginning of the answer."""
        if limits.stream_until is None:
            return await asked.__aenter__()
        async with asyncio.timeout(_left_of_attempt(limits)):
            return await asked.__aenter__()

    async def chunk(self, reader: Any, limits: Limits) -> Any:
        """Await a piece."""
        if limits.stream_until is None or limits.attempt_until >= limits.stream_until:
            return await reader.read_chunk()
        async with asyncio.timeout(_left_of_attempt(limits)):
            return await reader.read_chunk()

    async def rest(self, reader: Any) -> Any:
        """Take what is here."""
        return await reader.bytes()

    def let_go(self, asked: Any) -> None:
        """Close the response: it is told so in the first step of what would else be awaited."""
        closing = asked.__aexit__(None, None, None)
        with suppress(Exception):
            closing.send(None)

    def pieces(self, pieces: Pieces, limits: Limits) -> Any:
        """Return an asynchronous generator, which waits for the caller no longer than the attempt lasts."""
        return _within(aiter(pieces), limits)


async def _within(pieces: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(_left_of_attempt(limits)):
            piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece


def _left_of_attempt(limits: Limits) -> float | None:
    return None if limits.attempt_until == inf else max(0.0, limits.attempt_until - limits.clock()) + TICK
