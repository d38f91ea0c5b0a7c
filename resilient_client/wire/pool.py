"""The pool: a free list of connections per origin. It never queues; the bulkhead is the queue.

Rules it keeps:

- A connection has one owner. It is taken synchronously, before the first await, and given back only when an answer was
  read to its end; whatever else happens, cancellation included, it is closed, synchronously.
- The one used last is taken first; one that is old, dead, readable, or of another loop or process is not used.
- A connection that was opened without regard to its address carries no call that may go to public ones only: such calls
  have connections of their own.
- It is what httpx's transport keeps in `_pool`: it speaks httpcore's requests and responses.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from resilient_client.backends import run_sync
from resilient_client.exchange import Handshake, Limits, RawHeaders, Upgrade, Url
from resilient_client.forking import on_fork
from resilient_client.wire.http1 import Http1Connection
from resilient_client.wire.pooled_body import NetworkFacts, PooledBody
from resilient_client.wire.request_stream import pieces_of
from resilient_client.wire.sockets import now

if TYPE_CHECKING:
    import httpcore

    from resilient_client.wire.connect import Connector

KEEPALIVE: Final = 4.0
"""Seconds an idle connection is kept, unless its server keeps it for less: below the 5 s of common servers."""

MAX_IDLE: Final = 100
"""Idle connections kept per origin."""

SWEPT_EVERY: Final = 1.0
"""Seconds between two looks for old connections to all origins: with thousands of them, one takes a millisecond."""

LIMITS: Final = "resilient_client.limits"
FRESH: Final = "resilient_client.fresh"
UPGRADE: Final = "resilient_client.upgrade"
REUSED: Final = "resilient_client.reused"
BODY: Final = "resilient_client.body"

Key = tuple[str, object, bool]
"""Origin, the event loop or process it belongs to, and whether its address was judged."""


class Lease(Protocol):
    """The right to one exchange on a connection."""

    requests: int

    async def exchange(
        self, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], chunks: Any, limits: Limits
    ) -> tuple[int, list[tuple[bytes, bytes]], str]:
        """Send a request and return the head of its answer."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes of the body."""
        ...

    @property
    def over(self) -> bool:
        """Whether it is known that the answer was read to its end; if not, reading tells."""
        ...

    def finish(self) -> bool:
        """Return whether the connection may be used again by itself."""
        ...

    def abort(self) -> None:
        """Let go of the exchange without finishing it."""
        ...

    @property
    def stream(self) -> Any:
        """The stream below."""
        ...


class Pool:
    """Connections of one client, for threads or for tasks, depending on the connector's network."""

    def __init__(
        self,
        connector: Connector,
        *,
        keepalive: float = KEEPALIVE,
        max_idle: int = MAX_IDLE,
        clock: Callable[[], float] = now,
    ) -> None:
        self._connector = connector
        self._keepalive = keepalive
        self._max_idle = max_idle
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: dict[Key, list[Http1Connection]] = {}
        self._closed = False
        self._swept = clock()
        self._home: object = None
        on_fork(self)

    # httpcore's interface, once for threads and once for tasks.

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send `request` and return its answer, the body still to be read."""
        return run_sync(self._handle(request))

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send `request` and return its answer, the body still to be read."""
        return await self._handle(request)

    async def _handle(self, request: httpcore.Request) -> httpcore.Response:
        import httpcore  # noqa: PLC0415 - costs a third of httpx, and most calls go straight to `exchange`

        extensions = request.extensions
        limits = extensions.get(LIMITS) or limits_of(extensions.get("timeout") or {})
        url = request.url
        target = Url(url.scheme.decode("ascii"), url.host.decode("ascii"), url.port, url.target.decode("ascii"))
        status, headers, body = await self.exchange(
            request.method,
            target,
            request.headers,
            pieces_of(request.stream),
            limits,
            fresh=bool(extensions.get(FRESH)),
            upgrade=extensions.get(UPGRADE),
        )
        facts = {
            BODY: body,
            "http_version": body.version.encode("ascii"),
            "network_stream": NetworkFacts(body.stream),
            REUSED: body.reused,
        }
        return httpcore.Response(status, headers=headers, content=body, extensions=facts)

    async def exchange(
        self,
        method: bytes,
        url: Url,
        headers: RawHeaders,
        chunks: Any,
        limits: Limits,
        *,
        fresh: bool,
        upgrade: Upgrade | None = None,
    ) -> tuple[int, RawHeaders, PooledBody]:
        """Send a request and return status, header fields and body of its answer; raises `WireError`.

        One that asks for an `upgrade` gets a connection of its own, which nobody else uses afterwards.
        """
        handshake = None if upgrade is None else upgrade.handshake()
        key = (url.origin, self._connector.network.home(), limits.public_only)
        lease: Lease
        if handshake is None:
            lease = await self._lease(key, url, limits, fresh=fresh)
        else:
            lease = await self._open_to_switch(url, limits, handshake)
        try:
            status, answered, version = await lease.exchange(
                method, url.target.encode("ascii"), headers, chunks, limits
            )
            if handshake is not None and status == 101:
                handshake.check(answered)
        except BaseException:
            lease.abort()
            raise
        return status, answered, PooledBody(self, key, lease, version)

    # Taking and giving back.

    async def _lease(self, key: Key, origin: Url, limits: Limits, *, fresh: bool) -> Lease:
        connection = None if fresh else self._take(key)
        return connection if connection is not None else await self._open(origin, limits)

    def _take(self, key: Key) -> Http1Connection | None:
        while True:
            with self._lock:
                idle = self._idle.get(key)
                if not idle:
                    return None
                connection = idle.pop()
                if not idle:
                    del self._idle[key]
            if connection.idle_until >= self._clock() and connection.reusable:
                return connection
            connection.abort()

    async def _open(self, origin: Url, limits: Limits) -> Http1Connection:
        stream = await self._connector.open(origin, limits)
        proxy = self._connector.proxy
        if proxy is None or proxy.socks or origin.scheme == "https":
            return Http1Connection(stream, self._connector.network)
        extra = [] if proxy.authorization is None else [(b"Proxy-Authorization", proxy.authorization)]
        absolute = str(Url(origin.scheme, origin.host, origin.port, "")).encode("ascii")
        return Http1Connection(stream, self._connector.network, absolute=absolute, extra=extra)

    async def _open_to_switch(self, origin: Url, limits: Limits, handshake: Handshake) -> Http1Connection:
        stream = await self._connector.open(origin, limits, to_switch=True)
        return Http1Connection(stream, self._connector.network, extra=handshake.fields, to_switch=True)

    def give_back(self, key: Key, lease: Lease) -> None:
        """Keep the connection for the next one if it can be used again, else close it."""
        if not lease.finish():
            lease.abort()
            return
        assert isinstance(lease, Http1Connection)  # noqa: S101 - only whole connections finish with True
        moment = self._clock()
        lease.idle_until = moment + min(self._keepalive, lease.kept_for)
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if self._closed:
                surplus: list[Http1Connection] = [lease]
            else:
                idle.append(lease)
                if key[1] is not self._home:  # another event loop: the one before may be closed by now
                    self._home, self._swept = key[1], -inf
                surplus = self._surplus_locked(idle, moment)
        for connection in surplus:
            connection.abort()

    def _surplus_locked(self, idle: list[Http1Connection], moment: float) -> list[Http1Connection]:
        """Take out what is too many or too old: below the top here, and now and then what others have not used."""
        surplus: list[Http1Connection] = []
        while len(idle) > self._max_idle or (len(idle) > 1 and idle[0].idle_until < moment):
            surplus.append(idle.pop(0))
        if moment - self._swept >= SWEPT_EVERY:
            self._swept = moment
            for key in [key for key, kept in self._idle.items() if gone(key) or kept[-1].idle_until < moment]:
                surplus += self._idle.pop(key)
        return surplus

    @property
    def idle(self) -> int:
        """Connections kept now."""
        return sum(map(len, self._idle.values()))

    def close(self) -> None:
        """Close every idle connection; one in use is closed by its owner instead of being given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.abort()

    async def aclose(self) -> None:
        """Do what `close` does; there is nothing to wait for."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def after_fork(self) -> None:
        """In a forked child: forget the parent's connections without a word to their servers."""
        self._lock = threading.Lock()
        self._idle = {}


def gone(key: Key) -> bool:
    """Return whether the event loop that connections of `key` belong to was closed."""
    return isinstance(key[1], asyncio.AbstractEventLoop) and key[1].is_closed()


def limits_of(timeout: dict[str, float | None]) -> Limits:
    """Return the limits that httpx's plain timeouts are, for callers that are not our own wire."""

    def seconds(name: str) -> float:
        value = timeout.get(name)
        return inf if value is None else value

    return Limits(now, connect=seconds("connect"), read=seconds("read"), write=seconds("write"))
