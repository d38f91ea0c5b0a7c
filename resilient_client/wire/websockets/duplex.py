"""A connection that one receives from while others send; TLS included, written once for threads and tasks.

OpenSSL's objects may not be used by two threads at once, and a thread that waits for bytes must not hold what another
needs to send. So TLS is only a translation here, made under a lock that nobody waits inside, and what waits is the
plain stream below.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from resilient_client.wire.sockets.tls import TlsStream

if TYPE_CHECKING:
    from resilient_client.wire.pooled_body import Switched
    from resilient_client.wire.sockets import Stream, TwoWayStream


class Duplex:
    """Bytes both ways at once. For one who receives; any number may `put`, and one at a time `drain`."""

    def __init__(self, switched: Switched) -> None:
        stream: Stream = switched.stream
        self._layers: list[TlsStream] = []  # the outermost is first: over an https proxy there are two
        while isinstance(stream, TlsStream):
            self._layers.append(stream)
            stream = stream.inner
        self._stream = cast("TwoWayStream", stream)
        self._lock = threading.Lock()
        self._first = switched.first + (self._opened(b"") or b"")

    def put(self, data: bytes) -> None:
        """Have `data` sent, all of it in one piece; never waits; raises `OSError`."""
        with self._lock:
            self._put_locked(data)

    def _put_locked(self, data: bytes) -> None:
        for layer in self._layers:
            data = layer.encrypted(data)
        if data:
            self._stream.put(data)

    async def drain(self, until: float) -> None:
        """Wait until the kernel has taken what was put; raises `Expired` or `OSError`."""
        await self._stream.drain(until)

    async def receive(self, until: float) -> bytes:
        """Return the next bytes, empty at the end; raises `Expired` or `OSError`. Interrupted, it loses none."""
        first, self._first = self._first, b""
        if first:
            return first
        while True:
            opened = self._opened(await self._stream.receive(until) or None)
            if opened != b"":
                return opened or b""

    def _opened(self, data: bytes | None) -> bytes | None:
        """Return what came, decrypted: nothing yet, or None for the end."""
        if not self._layers:
            return data
        with self._lock:
            for layer in reversed(self._layers):
                data = layer.decrypted(data)
            with suppress(OSError):  # what came is here; reading on tells the same
                self._put_locked(b"")  # what TLS itself has to answer
        return data

    @property
    def usable_here(self) -> bool:
        """Whether the running event loop (or, blocking, any thread) of this process may use it."""
        return self._stream.usable_here
