"""The body of an answer from the pool, which owns the connection until it was read to its end or closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from resilient_client.backends import run_sync

if TYPE_CHECKING:
    from resilient_client.wire.pool import Key, Lease, Pool
    from resilient_client.wire.sockets import Stream


class Switched(NamedTuple):
    """A connection that changed protocols, and the first bytes of the new one, which came with the answer."""

    stream: Stream
    first: bytes


class PooledBody:
    """The body of an answer, which owns the connection until it was read to the end or closed."""

    def __init__(self, pool: Pool, key: Key, lease: Lease, version: str) -> None:
        self.version = version
        self.reused = lease.requests > 1
        self.stream = lease.stream
        self._pool = pool
        self._key = key
        self._lease: Lease | None = lease

    def peer(self) -> tuple[str, int] | None:
        """Return the address of the other end; None for a unix socket."""
        address = self.stream.info("server_addr")
        return (address[0], address[1]) if isinstance(address, tuple) else None

    @property
    def switched(self) -> Switched:
        """The connection, for what speaks another protocol on it from now on; this body still closes it."""
        return Switched(self.stream, getattr(self._lease, "beyond", b""))

    async def read(self) -> bytes:
        """Return the next bytes as they came, empty at the end; raises `WireError`."""
        lease = self._lease
        if lease is None:
            return b""
        data = b""
        if not lease.over:
            try:
                data = await lease.read()
            except BaseException:
                self.close()
                raise
        if not data:
            self._lease = None
            self._pool.give_back(self._key, lease)
        return data

    def __iter__(self) -> Iterator[bytes]:
        while data := run_sync(self.read()):
            yield data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read():
            yield data

    def abort(self) -> None:
        """Do what `close` does."""
        self.close()

    def close(self) -> None:
        """Close the connection unless the body was read to its end."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.abort()

    async def aclose(self) -> None:
        """Do what `close` does."""
        self.close()


class NetworkFacts:
    """What httpx's users ask of the `network_stream` of a response: facts, not bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def get_extra_info(self, info: str) -> Any:
        """Return `socket`, `ssl_object`, `server_addr` or `client_addr`."""
        return self._stream.info(info)
