"""One accepted connection as bytes in and bytes out, which notices at once when the client leaves."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    import ssl

    from resilient_client.testing.journal import Journal

LINGER_ZERO: Final = struct.pack("ii", 1, 0)

# A peer that does not answer close_notify is waited for this long, in seconds, before TCP is closed under it.
TLS_SHUTDOWN: Final = 1.0


class Channel(asyncio.Protocol):
    """A connection, used by the one task that opened it (`serving`); that task is cancelled when the connection ends.

    `gone` is True once the client ended it. A half-close counts: it looks the same as leaving, and no HTTP client
    half-closes.
    """

    def __init__(self, accepted: socket.socket, journal: Journal) -> None:
        self.number = journal.connection_opened()
        self.gone = False
        self.idle = False
        self._accepted = accepted
        self._journal = journal
        self._serving: asyncio.Task[Any] | None = None
        self._transport: asyncio.Transport | None = None
        self._secure = False
        self._ended = False
        self._closing = False
        self._incoming = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._lost = asyncio.Event()

    async def open(self, tls: ssl.SSLContext | None) -> str | None:
        """Take the socket, speak TLS when given, and return the protocol ALPN chose, if any.

        Raises OSError when the client leaves or refuses during the handshake.
        """
        self._serving = asyncio.current_task()
        self._writable.set()
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self, self._accepted, ssl=tls, ssl_shutdown_timeout=TLS_SHUTDOWN if tls else None
        )
        secured: ssl.SSLObject | None = self._open().get_extra_info("ssl_object")
        self._secure = secured is not None
        return secured.selected_alpn_protocol() if secured else None

    async def receive(self) -> bytes:
        """Return what has come, waiting for some; empty once the connection has ended."""
        while not self._incoming and not self._ended:
            self._arrived.clear()
            await self._arrived.wait()
        data = bytes(self._incoming)
        self._incoming.clear()
        return data

    def pause(self) -> None:
        """Take nothing more from the client, which notices when the kernel's buffers are full."""
        self._open().pause_reading()

    def go_on(self) -> None:
        """Take what comes again."""
        if not self._open().is_closing():
            self._open().resume_reading()

    def write(self, data: bytes) -> None:
        """Send without waiting for room: for answers that are small or whole. Nothing once the connection ended."""
        if data and not self._open().is_closing():
            self._journal.moved(bytes_out=len(data))
            self._open().write(data)

    async def send(self, data: bytes) -> None:
        """Send, then wait for room for more. Always gives way, so that a fast reader cannot starve other clients."""
        self.write(data)
        await asyncio.sleep(0)
        await self._writable.wait()

    async def close(self, *, notify: bool = True) -> None:
        """Send what is still unsent, then FIN. Without `notify`, TLS is cut: no goodbye, unsent data dropped."""
        if notify or not self._secure:
            self.hang_up()
        else:
            self.abort()
        await self._lost.wait()

    def reset(self) -> None:
        """Close with RST. A Unix socket knows no RST: its peer sees an end."""
        if self._accepted.family != getattr(socket, "AF_UNIX", None) and not self._lost.is_set():
            self._accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.abort()

    def hang_up(self) -> None:
        """Begin to close in order, without waiting for it."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, unsent data dropped."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    async def wait_lost(self) -> None:
        """Wait until the socket is closed, when it ever was this channel's."""
        if self._transport is not None:
            await self._lost.wait()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        self._journal.moved(bytes_in=len(data))
        self._incoming += data
        self._arrived.set()

    def eof_received(self) -> None:  # noqa: D102 - asyncio's
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's
        del exc  # however it ended, it ended
        self._end()
        self._lost.set()
        self._writable.set()

    def pause_writing(self) -> None:  # noqa: D102 - asyncio's
        self._writable.clear()

    def resume_writing(self) -> None:  # noqa: D102 - asyncio's
        self._writable.set()

    def _open(self) -> asyncio.Transport:
        if self._transport is None:
            raise RuntimeError("the channel is not open")
        return self._transport

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self.gone = not self._closing
        self._arrived.set()
        if self._serving is not None:
            # Later, not now: what came just before the end is read first, so that the journal knows the request.
            asyncio.get_running_loop().call_soon(self._serving.cancel)
