"""Sockets for asyncio: a protocol of our own on the loop's transports, so that every wait has its own end.

Straight on asyncio, without a portability layer in between: that layer costs more than the rest of a read.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from math import inf
from typing import Any, Final, TypeVar

from resilient_client.forking import generation
from resilient_client.wire.sockets import Address, ChunkSource, Expired, Stream, new_socket, now, readable, socket_info
from resilient_client.wire.sockets import resolve as names
from resilient_client.wire.sockets.blocking import BlockingChunks

T = TypeVar("T")

PAUSE_ABOVE: Final = 256 * 1024
"""Bytes waiting to be read above which the peer is asked, through TCP, to slow down."""

PIECES_PER_TURN: Final = 8
"""Pieces of an ordinary iterator that are sent before other tasks get a turn."""

SLOW_PIECE: Final = 16 * 1024
"""Bytes handed over at a time to a peer that reads slowly; one of these must go within `Timeouts.write`."""


def _answer(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(Expired("the socket was not ready in time"))


async def in_time(future: asyncio.Future[T], until: float) -> T:
    """Return what `future` comes to; raises `Expired` at the time `until`."""
    if until == inf:
        return await future
    timer = future.get_loop().call_later(max(0.0, until - now()), _expire, future)
    try:
        return await future
    finally:
        timer.cancel()


class AsyncioStream(asyncio.Protocol):
    """A connected socket used by one task at a time, on the loop that opened it."""

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._generation = generation()
        self._transport: asyncio.Transport | None = None
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._paused = False
        self._ended = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = False
        self.handed_over = 0

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; a write is reported as waiting as soon as the kernel takes no more."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection gives
        transport.set_write_buffer_limits(high=0)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what came, and wake the reader."""
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered > PAUSE_ABOVE and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
        self._wake_reader()

    def eof_received(self) -> None:
        """Remember that the peer sends no more."""
        self._ended = True
        self._wake_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that it is over, and why."""
        self._transport = None  # its own abort() fails from here on when its last bytes went after the peer's end
        self._ended = True
        self._error = exc
        self._wake_reader()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Remember that the kernel takes no more."""
        self._full = True

    def resume_writing(self) -> None:
        """Let the writer go on."""
        self._full = False
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

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
            await in_time(self._reader, until)
        data = self._pieces.popleft()
        self._buffered -= len(data)
        if self._paused and not self._pieces and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def send(self, data: bytes | memoryview, until: float) -> int:
        """Hand over what the kernel takes, or one small piece and wait until it took that."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise self._error if isinstance(self._error, OSError) else BrokenPipeError("the connection was closed")
        try:
            count = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            count = min(len(data), SLOW_PIECE)
            transport.write(data[:count])
        self.handed_over += count
        if self._full:
            self._writer = self._loop.create_future()
            await in_time(self._writer, until)
            if self._error is not None:
                raise ConnectionResetError(str(self._error))
        return count

    def abort(self) -> None:
        """Close at once; from another thread, as soon as the loop gets to it."""
        if self._loop.is_closed() or self._transport is None:
            self._sock.close()
        elif asyncio._get_running_loop() is self._loop:  # noqa: SLF001 - exported by asyncio for exactly this question
            self._transport.abort()
        else:
            try:
                self._loop.call_soon_threadsafe(self._transport.abort)
            except RuntimeError:  # it was closed this moment
                self._sock.close()

    @property
    def quiet(self) -> bool:
        """Whether nothing came and nobody hung up; the loop may not have got to it yet, so the socket is asked."""
        if self._pieces or self._ended or self._transport is None or self._transport.is_closing():
            return False
        return not readable(self._sock)

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
            await _connect(loop, sock, address, until)
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


async def _connect(loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Address, until: float) -> None:
    if until == inf:
        await loop.sock_connect(sock, address.sockaddr)
        return
    limit = asyncio.timeout(max(0.0, until - now()))
    try:
        async with limit:
            await loop.sock_connect(sock, address.sockaddr)
    except TimeoutError:
        if limit.expired():
            raise Expired("no connection in time") from None
        raise


class YieldingChunks(BlockingChunks):
    """A body from an ordinary iterator, whose pieces never wait: the loop gets a turn now and then."""

    __slots__ = ("_taken",)

    def __init__(self, iterator: Iterator[bytes]) -> None:
        super().__init__(iterator)
        self._taken = 0

    async def next(self) -> bytes | None:
        """Return the next piece, letting others run between every few."""
        self._taken += 1
        if self._taken % PIECES_PER_TURN == 0:
            await asyncio.sleep(0)
        return await super().next()


class AsyncChunks:
    """A body from an asynchronous iterator; a piece that does not come in time ends the attempt."""

    __slots__ = ("_iterator", "_until")

    def __init__(self, iterator: AsyncIterator[bytes], until: float) -> None:
        self._iterator = iterator
        self._until = until

    async def next(self) -> bytes | None:
        """Return the next piece."""
        if self._until == inf:
            return await anext(self._iterator, None)
        limit = asyncio.timeout(max(0.0, self._until - now()))
        try:
            async with limit:
                return await anext(self._iterator, None)
        except TimeoutError:
            if limit.expired():
                raise Expired("the request body did not come in time") from None
            raise
