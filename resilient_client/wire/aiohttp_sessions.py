"""aiohttp's sessions for one wire: one per event loop, and what they tell of the connection that a request got."""

from __future__ import annotations

import asyncio
import socket
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from resilient_client.exchange import Limits, WireError
from resilient_client.forking import on_fork
from resilient_client.wire import guard
from resilient_client.wire.heads import MAX_FIELDS, MAX_HEAD
from resilient_client.wire.pool import KEEPALIVE
from resilient_client.wire.sockets import readable
from resilient_client.wire.sockets.nonblocking import AsyncioNetwork
from resilient_client.wire.users import Users

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest

FAMILIES: Final = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - a key, nothing binds to it


@dataclass(slots=True)
class Hop:
    """One request on its way: whether it has a connection yet, and which."""

    limits: Limits
    begun: bool = False
    connected: bool = False
    reused: bool = False
    transport: asyncio.Transport | None = None
    blocked: WireError | None = None

    def cut(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def peer(self) -> tuple[str, int] | None:
        """Return the address of the other end; None for a unix socket, and when it is gone."""
        address = None if self.transport is None else self.transport.get_extra_info("peername")
        return (address[0], address[1]) if isinstance(address, tuple) else None


HOP: Final[ContextVar[Hop]] = ContextVar("HOP")


class Again(ConnectionResetError):
    """aiohttp would send a request once more by itself, after a connection that ended."""


class Noting(aiohttp.BaseConnector):
    """A connector that tells the request which connection it got."""

    used: WeakSet[Any]

    async def connect(self, req: ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout) -> Any:  # noqa: ASYNC109
        """Take a connection from aiohttp's pool, or have one made; once per request."""
        hop = HOP.get()
        if hop.begun:
            raise Again
        hop.begun = True
        if hop.limits.public_only:
            _judge(hop, req)
        while True:
            connection = await super().connect(req, traces, timeout)
            hop.reused = connection.protocol in self.used
            if not hop.reused or _quiet(connection.transport):
                break
            connection.close()
        hop.connected, hop.transport = True, connection.transport
        self.used.add(connection.protocol)
        return connection


def _quiet(transport: asyncio.Transport | None) -> bool:
    """Return whether nothing came over an idle connection: the event loop may not have had a moment to hear of it."""
    sock = None if transport is None else transport.get_extra_info("socket")
    return sock is not None and sock.fileno() >= 0 and not readable(sock)


def _judge(hop: Hop, req: ClientRequest) -> None:
    """Raise what is wrong with the way to a server when it may be a public one only: names are looked at later."""
    try:
        if req.proxy is not None:
            guard.check_way(hop_url(req), uds=None, proxied=True)
        else:
            guard.check_literal(req.url.host or "")
    except WireError as problem:
        hop.blocked = problem
        raise


def hop_url(req: ClientRequest) -> Any:
    """Return the URL of a request as the guard takes it."""
    from resilient_client.wire.urls import parse_url  # noqa: PLC0415 - only for guarded calls through a proxy

    return parse_url(str(req.url))


class TcpConnector(Noting, aiohttp.TCPConnector):
    """Over TCP."""


class UnixConnector(Noting, aiohttp.UnixConnector):
    """Over a unix socket."""


class Resolver(AbstractResolver):
    """Looks names up as the default wire does, and lets through public addresses only where that is asked for."""

    def __init__(self) -> None:
        self._network = AsyncioNetwork()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        """Return the addresses of `host`; raises `OSError`, and `WireError` for one that is not public."""
        hop = HOP.get()
        addresses = await self._network.resolve(host, port, inf)
        if hop.limits.public_only and hop.blocked is None:
            try:
                addresses = guard.public_ones(host, addresses)
            except WireError as problem:
                hop.blocked = problem
                raise OSError(str(problem)) from problem
        wanted = FAMILIES if family == socket.AF_UNSPEC else {family}
        return [_result(host, one) for one in addresses if one.family in wanted]

    async def close(self) -> None:
        """There is nothing to close."""


def _result(host: str, address: Any) -> ResolveResult:
    place = address.sockaddr
    return ResolveResult(
        hostname=host,
        host=place[0],
        port=place[1],
        family=address.family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


class Session:
    """aiohttp's session with its connector, and who uses it."""

    __slots__ = ("client", "users")

    def __init__(self, client: aiohttp.ClientSession, connector: Any) -> None:
        self.client = client
        self.users = Users(lambda: connector.__exit__(None, None, None))  # as its close() does, without waiting


@dataclass(eq=False)
class Sessions:
    """The sessions of one wire, by event loop, and by what may go over their connections."""

    uds: str | None
    source: str | None
    _by_loop: WeakKeyDictionary[Any, dict[tuple[bool, bool], Session]] = field(default_factory=WeakKeyDictionary)
    _of_the_parent: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        on_fork(self)

    def get(self, *, fresh: bool, public_only: bool) -> Session:
        """Return the session of the running loop; with `fresh` one that keeps no connection."""
        mine = self._by_loop.setdefault(asyncio.get_running_loop(), {})
        session = mine.get((fresh, public_only))
        if session is None:
            session = mine[fresh, public_only] = self._open(fresh=fresh)
        return session

    def _open(self, *, fresh: bool) -> Session:
        options: dict[str, Any] = {"limit": 0}
        options |= {"force_close": True} if fresh else {"keepalive_timeout": KEEPALIVE}
        if self.uds is not None:
            connector: Any = UnixConnector(self.uds, **options)
        else:
            local = None if self.source is None else (self.source, 0)
            options |= {"resolver": Resolver(), "use_dns_cache": False, "timeout_ceil_threshold": inf}
            connector = TcpConnector(local_addr=local, **options)
        connector.used = WeakSet()
        client = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
            max_headers=MAX_FIELDS,
        )
        client._retry_connection = False  # noqa: SLF001 - as aiohttp's own test client does; `Again` is there without it
        return Session(client, connector)

    def close(self) -> None:
        """Close all of them; exchanges under way go on to their end."""
        for sessions in self._by_loop.values():
            for session in sessions.values():
                session.users.let_go()

    def after_fork(self) -> None:
        """In a forked child: leave the parent's connections alone, without a word to their servers."""
        self._of_the_parent.append(dict(self._by_loop))
        self._by_loop = WeakKeyDictionary()
