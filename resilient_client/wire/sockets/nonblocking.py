"""Sockets for asyncio: a protocol of our own on the loop's transports, so that every wait has its own end.

Straight on asyncio, without a portability layer in between: that layer costs more than the rest of a read.
"""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final, cast

from resilient_client.forking import generation
from resilient_client.wire.sockets import READ_SIZE, Address, ChunkSource, Expired, Stream, new_socket, now, socket_info
from resilient_client.wire.sockets import resolve as names
from resilient_client.wire.sockets.pieces import PIECES_PER_TURN, AsyncChunks, YieldingChunks
from resilient_client.wire.sockets.timing import Alarm, in_time, within

PAUSE_ABOVE: Final = 256 * 1024
"""Bytes waiting to be read above which the peer is asked, through TCP, to slow down."""

SLOW_PIECE: Final = 16 * 1024
"""Bytes handed over at a time to a peer that reads slowly; one of these must go within `Timeouts.write`."""


def _answer(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _Buffer(threading.local):
    """Where a thread's loop puts what it reads: at once, and taken out before it reads again."""

    def __init__(self) -> None:
        self.bytes = memoryview(bytearray(READ_SIZE))


_buffer = _Buffer()


class AsyncioStream(asyncio.BufferedProtocol):
    """A connected socket used by one task at a time, on the loop that opened it.

    All of them read into one buffer: asyncio would else make 256 KiB of bytes for each read, to give most of them back.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._generation = generation()
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._paused = False
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._reading, self._writing = Alarm(self._loop), Alarm(self._loop)
        self._full = False
        self._listening = False
        self._tell_news: Callable[[], None] | None = None
        self._drains = 0
        self.handed_over = 0

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; a write is reported as waiting as soon as the kernel takes no more."""
        self._transport = cast("asyncio.Transport", transport)  # by duty, not by class: uvloop's is no subclass
        self._transport.set_write_buffer_limits(high=0)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the loop's is a guess
        """Return where to put what comes."""
        return _buffer.bytes

    def buffer_updated(self, nbytes: int) -> None:
        """Keep what came, and wake the reader."""
        self._pieces.append(bytes(_buffer.bytes[:nbytes]))
        self._buffered += nbytes
        if self._buffered > PAUSE_ABOVE and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
        self._news()

    def eof_received(self) -> None:
        """Remember that the peer sends no more."""
        self._ended = True
        self._news()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that it is over, and why."""
        self._transport = None  # its own abort() fails from here on when its last bytes went after the peer's end
        self._ended = True
        self._error = exc
        self._reading.stop()
        self._writing.stop()
        self._news()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Remember that the kernel takes no more."""
        self._full = True

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._full = False
        if self._writer is not None:
            _answer(self._writer)

    def _news(self) -> None:
        """Wake who waits for something from the peer."""
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
        if self._listening and self._writer is not None:
            _answer(self._writer)
        if self._tell_news is not None:
            self._tell_news()

    # What the wire asks.

    async def receive(self, until: float) -> bytes:
        """Return the next bytes; late is late, even when there are some."""
        if now() >= until:
            raise Expired("the socket was not ready in time")
        while not self._pieces:
            if self._error is not None:
                raise self._error if isinstance(self._error, OSError) else ConnectionResetError(str(self._error))
            if self._ended:
                return b""
            self._reader = self._loop.create_future()
            self._reading.watch(self._reader, until)
            await self._reader
        data = self._pieces.popleft()
        self._buffered -= len(data)
        if self._paused and not self._pieces and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def heard(self) -> bool:
        """Look at what came."""
        return bool(self._pieces) or self._ended

    def on_news(self, tell: Callable[[], None] | None) -> None:
        """Have `tell` called by the loop when something came, or the peer hung up."""
        self._tell_news = tell

    async def send(self, data: bytes | memoryview, until: float, *, listening: bool = False) -> int:
        """Hand over what the kernel takes, or one small piece and wait until it took that."""
        transport = self._open()
        if self._full and not await self._room(until, listening=listening):
            return 0
        try:
            count = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            count = min(len(data), SLOW_PIECE)
            transport.write(data[:count])
        self.handed_over += count
        if self._full:
            await self._room(until, listening=listening)
        return count

    def _open(self) -> asyncio.Transport:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise self._error if isinstance(self._error, OSError) else BrokenPipeError("the connection was closed")
        return transport

    def put(self, data: bytes) -> None:
        """Hand over what fits, and give the rest to the transport. A broken connection can still be read."""
        transport, count = self._open(), 0
        if not self._full:
            with suppress(BlockingIOError, InterruptedError):
                count = self._sock.send(data)
        if count < len(data):
            transport.write(data[count:])
        self.handed_over += len(data)

    async def drain(self, until: float) -> None:
        """Wait until the kernel has all of it; where it always has, the loop gets a turn now and then."""
        self._drains += 1
        if self._full:
            await self._room(until)
        elif self._drains % PIECES_PER_TURN == 0:
            await asyncio.sleep(0)

    async def _room(self, until: float, *, listening: bool = False) -> bool:
        """Wait until the kernel has taken everything; False when the peer spoke before it had."""
        self._listening = listening
        while self._full and not (listening and await self.heard()):
            self._writer = self._loop.create_future()
            self._writing.watch(self._writer, until)
            await self._writer
        if self._error is not None:
            raise ConnectionResetError(str(self._error))
        return not self._full

    def abort(self) -> None:
        """Close at once; from another thread, as soon as the loop gets to it."""
        transport = self._transport  # another thread's loop may take it away at any moment
        if self._loop.is_closed() or transport is None:
            self._sock.close()
        elif asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - exported by asyncio for exactly this question
            transport.abort()
        else:
            try:
                self._loop.call_soon_threadsafe(transport.abort)
            except RuntimeError:  # it was closed this moment
                self._sock.close()

    @property
    def quiet(self) -> bool:
        """Whether nothing came and nobody hung up; the loop may not have got to it yet, so the socket is asked."""
        if self._pieces or self._ended or self._transport is None or self._transport.is_closing():
            return False
        return not self._poll.poll(0)

    @property
    def usable_here(self) -> bool:
        """Whether this is the loop and the process that opened it."""
        here = asyncio._get_running_loop() is self._loop  # noqa: SLF001 - see abort()
        return here and self._generation == generation()

    def info(self, name: str) -> Any:
        """Return facts about the socket."""
        return socket_info(self._sock, name)


class AsyncioNetwork:
    """Sockets for tasks."""

    async def resolve(self, host: str, port: int, until: float) -> list[Address]:
        """Resolve the name on a thread that is left behind when the time is up."""
        known = names.literal(host, port)
        if known is not None:
            return known
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()

        def tell(_: object) -> None:
            try:
                loop.call_soon_threadsafe(_answer, answered)
            except RuntimeError:  # the loop was closed: nobody waits any more
                return

        pending = names.start(host, port)
        pending.add_done_callback(tell)
        await in_time(answered, until)
        return pending.result()

    async def connect(self, address: Address, until: float, source: str | None) -> Stream:
        """Connect without blocking the loop."""
        loop = asyncio.get_running_loop()
        sock = new_socket(address, source)
        try:
            if isinstance(address.sockaddr, str):  # at once or not at all; asyncio takes a full queue for a connection
                sock.connect(address.sockaddr)
            else:
                await within(loop.sock_connect(sock, address.sockaddr), until, "no connection in time")
            stream = AsyncioStream(sock)
            await loop.create_connection(lambda: stream, sock=sock)
        except BaseException:
            sock.close()
            raise
        return stream

    def home(self) -> object:
        """Return the running loop: its connections are of no use to another."""
        return asyncio.get_running_loop()

    def iterate(self, chunks: Iterable[bytes] | AsyncIterable[bytes], until: float) -> ChunkSource:
        """Return the pieces of an iterable of either kind."""
        if isinstance(chunks, AsyncIterable):
            return AsyncChunks(aiter(chunks), until)
        return YieldingChunks(iter(chunks))
