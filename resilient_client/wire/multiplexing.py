"""The pool of a client that speaks HTTP/2: exchanges share a connection, opened by one caller for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.http1 import Http1Connection
from resilient_client.wire.http2 import Http2Connection
from resilient_client.wire.pool import Key, Lease, Pool, gone
from resilient_client.wire.sockets import Expired, now
from resilient_client.wire.sockets.timing import limit_at

if TYPE_CHECKING:
    from resilient_client.exchange import Limits, Url
    from resilient_client.wire.connect import Connector


class MultiplexingPool(Pool):
    """A pool for tasks whose https connections may turn out to be HTTP/2."""

    def __init__(self, connector: Connector) -> None:
        super().__init__(connector)
        self._shared: dict[Key, list[Http2Connection]] = {}
        self._opening: dict[Key, asyncio.Lock] = {}
        self._plain: set[str] = set()

    async def _lease(self, key: Key, origin: Url, limits: Limits, *, fresh: bool) -> Lease:
        if origin.scheme != "https" or key[0] in self._plain:
            return await super()._lease(key, origin, limits, fresh=fresh)
        opened_since = now() if fresh else 0.0  # what others open while this one waits is new enough for it
        if (lease := self._share(key, opened_since)) is not None:
            return lease
        return await self._open_once(key, origin, limits, opened_since)

    def _share(self, key: Key, opened_since: float) -> Lease | None:
        moment = now()
        kept: list[Http2Connection] = []
        for connection in self._shared.pop(key, ()):
            if connection.streams or (connection.room and connection.idle_until >= moment):
                kept.append(connection)
            else:
                connection.abort()
        if kept:
            self._shared[key] = kept
        with_room = (one for one in kept if one.room and one.opened >= opened_since)
        return next((connection.begin() for connection in with_room), None)

    async def _open_once(self, key: Key, origin: Url, limits: Limits, opened_since: float) -> Lease:
        """Open a connection while others wait for it; what they find may have room for them."""
        self._forget_closed_loops()
        turn = self._opening.setdefault(key, asyncio.Lock())
        until = limits.connecting_until()
        limit = limit_at(until)
        try:
            async with limit:
                await turn.acquire()
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._late(origin, limits) from None
        try:
            if (lease := self._share(key, opened_since)) is not None:
                return lease
            if key[0] not in self._plain:
                return await self._open_either(key, origin, limits)
        finally:
            turn.release()
        return await super()._lease(key, origin, limits, fresh=opened_since > 0)

    def _forget_closed_loops(self) -> None:
        for key in [key for key in self._opening if gone(key)]:
            del self._opening[key]
        for key in [key for key in self._shared if gone(key)]:
            for connection in self._shared.pop(key):
                connection.abort()

    async def _open_either(self, key: Key, origin: Url, limits: Limits) -> Lease:
        stream = await self._connector.open(origin, limits)
        tls = stream.info("ssl_object")
        if tls is None or tls.selected_alpn_protocol() != "h2":
            self._plain.add(key[0])  # from now on without waiting for each other
            return Http1Connection(stream, self._connector.network)
        connection = Http2Connection(stream, self._connector.network)
        try:
            await connection.greeted(limits.connecting_until())
            if not connection.room:
                raise WireError(FailureKind.CONNECT, f"{origin.origin} takes no HTTP/2 streams", sent=False)
        except Expired as problem:
            connection.abort()
            raise self._late(origin, limits) from problem
        except BaseException:
            connection.abort()
            raise
        lease = connection.begin()
        if self._closed:
            connection.last_one()
        else:
            self._shared.setdefault(key, []).append(connection)
        return lease

    def _late(self, origin: Url, limits: Limits) -> WireError:
        kind = limits.expired(FailureKind.CONNECT_TIMEOUT)
        return WireError(kind, f"no connection to {origin.origin} in time", sent=False)

    def give_back(self, key: Key, lease: Lease) -> None:
        """Leave a shared connection to the others; one of its own goes to the free list."""
        if isinstance(lease, Http1Connection):
            super().give_back(key, lease)
        else:
            lease.abort()

    def close(self) -> None:
        """Close idle connections; a shared one closes with its last exchange."""
        super().close()
        shared, self._shared = self._shared, {}
        for connections in shared.values():
            for connection in connections:
                connection.retire()
