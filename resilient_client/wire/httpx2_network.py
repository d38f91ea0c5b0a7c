"""Sockets for httpcore2: its own, with every wait cut to what is left of the attempt, and an eye on what was sent.

httpcore2 hands a request's timeouts untouched to the network, so that one may be an object which is asked anew at each
socket operation. What is not awaited here serves threads and tasks alike.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any, Final

import httpcore2

from resilient_client.wire.sockets.timing import TICK

if TYPE_CHECKING:
    from resilient_client.exchange import Limits


CLOSING: Final[set[asyncio.Future[None]]] = set()


class Hop:
    """One request on its way: whether anything of it was handed over, and over what kind of connection."""

    __slots__ = ("limits", "reused", "sent")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.sent = False
        self.reused = False


class Within:
    """One of httpx's timeouts, for one request: `phase` seconds, or what is left of the attempt if that is less."""

    __slots__ = ("hop", "phase")

    def __init__(self, hop: Hop, phase: float) -> None:
        self.hop = hop
        self.phase = phase

    def seconds(self) -> float | None:
        """Return for how long the next operation may wait, a tick more than that: what is early would not look late."""
        limits = self.hop.limits
        left = min(self.phase, limits.attempt_until - limits.clock())
        return None if left == inf else max(left, 0.0) + TICK


def _seconds(timeout: Any) -> Any:
    return timeout.seconds() if isinstance(timeout, Within) else timeout


class Watched:
    """A stream of httpcore2's, blocking or not."""

    def __init__(self, stream: Any, *, used: bool = False) -> None:
        self.stream = stream
        self.spoilt = False
        self._used = used
        self._hop: Hop | None = None

    def read(self, max_bytes: int, timeout: Any = None) -> Any:
        """Read, no longer than the attempt may last."""
        return self.stream.read(max_bytes, _seconds(timeout))

    def write(self, buffer: bytes, timeout: Any = None) -> Any:
        """Write, no longer than the attempt may last."""
        hop = timeout.hop if isinstance(timeout, Within) else None
        if hop is not None and hop is not self._hop:
            hop.reused, self._used, self._hop = self._used, True, hop
        if hop is not None and buffer:
            hop.sent = True
        return self.stream.write(buffer, _seconds(timeout))

    def close(self) -> Any:
        """Close it."""
        return self.stream.close()

    def aclose(self) -> Any:
        """Close it."""
        return self.stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream knows; the pool uses no connection again that has something to read."""
        return (self.spoilt and info == "is_readable") or self.stream.get_extra_info(info)


def spoil_unless_clean(response: Any) -> None:
    """Have the connection of an answer that was read to its end not used again if there was something behind it.

    httpcore2 would take that for the next answer. It has no word for it, and so it is looked up where it keeps it; when
    it is not there, no connection is clean.
    """
    try:
        behind = response.stream._httpcore_stream._stream._connection._h11_state.trailing_data[0]  # noqa: SLF001
    except AttributeError:
        behind = b"?"
    stream = response.extensions.get("network_stream")
    if behind and isinstance(stream, Watched):
        stream.spoilt = True


class BlockingStream(Watched, httpcore2.NetworkStream):
    """A stream for threads."""

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: Any = None) -> BlockingStream:
        """Put TLS around it."""
        return BlockingStream(self.stream.start_tls(ssl_context, server_hostname, _seconds(timeout)))


class AsyncioStream(Watched, httpcore2.AsyncNetworkStream):
    """A stream for tasks."""

    async def start_tls(
        self,
        ssl_context: Any,
        server_hostname: Any = None,
        timeout: Any = None,  # noqa: ASYNC109
    ) -> AsyncioStream:
        """Put TLS around it."""
        try:
            return AsyncioStream(await self.stream.start_tls(ssl_context, server_hostname, _seconds(timeout)))
        except BaseException:
            closing = asyncio.ensure_future(self.stream.aclose())  # nobody else would, when a task is cancelled here
            CLOSING.add(closing)
            closing.add_done_callback(CLOSING.discard)
            raise


class BlockingBackend(httpcore2.NetworkBackend):
    """httpcore2's sockets for threads."""

    def __init__(self) -> None:
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self, host: str, port: int, timeout: Any = None, local_address: str | None = None, socket_options: Any = None
    ) -> BlockingStream:
        """Connect to a host."""
        seconds = _seconds(timeout)
        return BlockingStream(self._backend.connect_tcp(host, port, seconds, local_address, socket_options))

    def connect_unix_socket(self, path: str, timeout: Any = None, socket_options: Any = None) -> BlockingStream:
        """Connect to a unix socket."""
        return BlockingStream(self._backend.connect_unix_socket(path, _seconds(timeout), socket_options))


class AsyncioBackend(httpcore2.AsyncNetworkBackend):
    """httpcore2's sockets for tasks."""

    def __init__(self) -> None:
        self._backend: Any = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: Any = None,  # noqa: ASYNC109 - as the interface has it
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> AsyncioStream:
        """Connect to a host."""
        seconds = _seconds(timeout)
        return AsyncioStream(await self._backend.connect_tcp(host, port, seconds, local_address, socket_options))

    async def connect_unix_socket(
        self,
        path: str,
        timeout: Any = None,  # noqa: ASYNC109 - as the interface has it
        socket_options: Any = None,
    ) -> AsyncioStream:
        """Connect to a unix socket."""
        return AsyncioStream(await self._backend.connect_unix_socket(path, _seconds(timeout), socket_options))

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._backend.sleep(seconds)
