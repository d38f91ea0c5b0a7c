"""The pool of a client that speaks HTTP/2: exchanges share a connection, opened by one caller for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.http1 import Http1Connection
from resilient_client.wire.http2 import Http2Connection
from resilient_client.wire.pool import Key, Lease, Pool
from resilient_client.wire.sockets import Expired, now

if TYPE_CHECKING:
    from resilient_client.exchange import Limits, Url
    from resilient_client.wire.connect import Connector


class MultiplexingPool(Pool):
    """A pool for tasks whose https connections may turn out to be HTTP/2."""

    def __init__(self, connector: Connector) -> None:
        super().__init__(connector)
        self._shared: dict[Key, list[Http2Connection]] = {}
        self._opening: dict[Key, asyncio.Lock] = {}

    async def _lease(self, key: Key, origin: Url, limits: Limits, *, fresh: bool) -> Lease:
        if origin.scheme != "https":
            return await super()._lease(key, origin, limits, fresh=fresh)
        if not fresh and (lease := self._share(key) or self._take(key)) is not None:
            return lease
        return await self._open_once(key, origin, limits, fresh=fresh)

    def _share(self, key: Key) -> Lease | None:
        moment = now()
        kept = [one for one in self._shared.get(key, ()) if one.streams or one.room]
        for idle in [one for one in kept if not one.streams and one.idle_until < moment]:
            kept.remove(idle)
            idle.abort()
        if kept:
            self._shared[key] = kept
        else:
            self._shared.pop(key, None)
        for connection in kept:
            if connection.room:
                return connection.begin()
        return None

    async def _open_once(self, key: Key, origin: Url, limits: Limits, *, fresh: bool) -> Lease:
        """Open a connection while others wait for it; what they find may have room for them."""
        turn = self._opening.setdefault(key, asyncio.Lock())
        limit = asyncio.timeout(max(0.0, limits.connect_until - now()))
        try:
            async with limit:
                await turn.acquire()
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._late(origin, limits) from None
        try:
            if not fresh and (lease := self._share(key) or self._take(key)) is not None:
                return lease
            return await self._open_either(key, origin, limits)
        finally:
            turn.release()
            if not turn.locked():
                self._opening.pop(key, None)

    def _late(self, origin: Url, limits: Limits) -> WireError:
        kind = limits.expired(FailureKind.CONNECT_TIMEOUT)
        return WireError(kind, f"no connection to {origin.origin} in time", sent=False)

    async def _open_either(self, key: Key, origin: Url, limits: Limits) -> Lease:
        stream = await self._connector.open(origin, limits)
        tls = stream.info("ssl_object")
        if tls is None or tls.selected_alpn_protocol() != "h2":
            return Http1Connection(stream, self._connector.network)
        connection = Http2Connection(stream, self._connector.network)
        try:
            await connection.greeted(limits.connect_until)
        except Expired as problem:
            connection.abort()
            raise self._late(origin, limits) from problem
        except BaseException:
            connection.abort()
            raise
        self._shared.setdefault(key, []).append(connection)
        return connection.begin()

    def give_back(self, key: Key, lease: Lease) -> None:
        """Note since when a shared connection is idle; a connection of its own goes to the free list."""
        if isinstance(lease, Http1Connection):
            super().give_back(key, lease)
            return
        lease.abort()
        for connection in self._shared.get(key, ()):
            if not connection.streams:
                connection.idle_until = now() + self._keepalive

    def close(self) -> None:
        """Close idle connections and shared ones alike."""
        super().close()
        shared, self._shared = self._shared, {}
        for connections in shared.values():
            for connection in connections:
                connection.abort()
