"""TLS over any stream, written once for both worlds: OpenSSL does the talking, we move the bytes.

The end of a stream without a `close_notify` is an error here, so that a body cut by an attacker is never whole.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from math import inf
from typing import Any, Final

from resilient_client.forking import on_fork
from resilient_client.wire.sockets import READ_SIZE, Stream

NOTHING: Final = memoryview(b"")


class Offering:
    """One at a time sets what a context offers and takes a copy of it."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Start with a new lock: another thread of the parent may have held the old one."""
        self.lock = threading.Lock()


_offering: Final = on_fork(Offering())


class TlsStream:
    """An encrypted stream over another stream."""

    __slots__ = ("_flushing", "_held", "_incoming", "_inner", "_object", "_outgoing", "_rest")

    def __init__(self, inner: Stream, context: ssl.SSLContext, server_hostname: str, alpn: list[str]) -> None:
        self._inner = inner
        self._flushing = False
        self._held = b""
        self._rest = NOTHING
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        with _offering.lock:  # the offer is copied from the context here, and another client may share the context
            context.set_alpn_protocols(alpn)
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)

    async def handshake(self, until: float) -> None:
        """Agree on keys; raises `ssl.SSLError`, `Expired` or `OSError`."""
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(until)
                await self._fill(until)
            except ssl.SSLError:
                await self._flush(until)  # the alert that tells the peer why
                raise
            else:
                await self._flush(until)
                return

    async def receive(self, until: float) -> bytes:
        """Return the next decrypted bytes, empty after a `close_notify`; `ssl.SSLEOFError` without one."""
        held, self._held = self._held, b""
        if held:
            return held
        while True:
            try:
                return self._object.read(READ_SIZE)
            except ssl.SSLWantReadError:
                await self._flush(until)
                await self._fill(until)
            except ssl.SSLZeroReturnError:
                return b""

    async def heard(self) -> bool:
        """Decrypt what came: session tickets and the like are nothing that was said."""
        while not self._held:
            try:
                self._held = self._object.read(READ_SIZE)
                if not self._held:  # the peer said goodbye
                    return True
            except ssl.SSLWantReadError:
                if not await self._inner.heard():
                    return False
                try:
                    await self._fill(inf)  # does not wait
                except OSError:
                    return True
            except ssl.SSLError:
                return True
        return True

    def on_news(self, tell: Callable[[], None] | None) -> None:
        """Have the stream below tell."""
        self._inner.on_news(tell)

    async def send(self, data: bytes | memoryview, until: float, *, listening: bool = False) -> int:
        """Encrypt and hand over some of `data`; none of it while some of what was encrypted before is left."""
        if listening and not await self._flush(until, listening=True):
            return 0
        count = self._object.write(data[:READ_SIZE])
        await self._flush(until, listening=listening)
        return count

    # For a connection that is read and written at the same time: whoever takes turns at it moves the bytes, too.

    @property
    def inner(self) -> Stream:
        """The stream below."""
        return self._inner

    def encrypted(self, data: bytes) -> bytes:
        """Return what is to be sent below for `data`, and for whatever TLS itself has to say."""
        view = memoryview(data)
        while view:
            view = view[self._object.write(view) :]
        return self._outgoing.read()

    def decrypted(self, data: bytes | None) -> bytes | None:
        """Return what `data` from below is, which may be nothing yet; None for the end, below and here.

        Raises `ssl.SSLEOFError` for an end below that was not announced here.
        """
        if data is None:
            self._incoming.write_eof()
        else:
            self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            while piece := self._object.read(READ_SIZE):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            return b"".join(pieces)
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError:
            if not pieces:  # else the next reading tells the same once more
                raise
        return b"".join(pieces) or None

    async def _fill(self, until: float) -> None:
        data = await self._inner.receive(until)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self, until: float, *, listening: bool = False) -> bool:
        """Hand over what OpenSSL has ready; False when the peer spoke before that was done.

        Whoever is at it already does it for others too, in order.
        """
        if self._flushing:
            return True
        self._flushing = True
        try:
            while self._rest or self._outgoing.pending:
                data, self._rest = self._rest or memoryview(self._outgoing.read()), NOTHING
                count = await self._inner.send(data, until, listening=listening)
                self._rest = data[count:]  # lost when sending fails: then there is only something to read
                if not count and await self.heard():
                    return False
        finally:
            self._flushing = False
        return True

    @property
    def handed_over(self) -> int:
        """Bytes given to the kernel, encrypted."""
        return self._inner.handed_over

    def abort(self) -> None:
        """Close the stream below at once, without the closing handshake."""
        self._inner.abort()

    @property
    def quiet(self) -> bool:
        """Whether no data waits; session tickets that came with the last answer are taken in on the way."""
        if not self._inner.quiet:
            return False
        try:
            self._object.read(1)
        except ssl.SSLWantReadError:
            return True
        except ssl.SSLError:
            return False
        return False  # data nobody asked for, or the peer said goodbye

    @property
    def usable_here(self) -> bool:
        """Whether the stream below may be used here."""
        return self._inner.usable_here

    def info(self, name: str) -> Any:
        """Return facts about the connection."""
        return self._object if name == "ssl_object" else self._inner.info(name)


async def start_tls(
    stream: Stream, context: ssl.SSLContext, server_hostname: str, alpn: list[str], until: float
) -> TlsStream:
    """Return `stream` encrypted, the peer's certificate checked as `context` says, `alpn` offered."""
    encrypted = TlsStream(stream, context, server_hostname, alpn)
    await encrypted.handshake(until)
    return encrypted
