"""Blocking sockets: non-blocking underneath, with `poll` in front, so that every wait has its own end.

One `poll` and one `recv` per read, one `send` per write; `settimeout` would add a system call to each.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from math import ceil, inf
from typing import Any

from resilient_client.forking import generation
from resilient_client.wire.sockets import READ_SIZE, Address, ChunkSource, Expired, Stream, new_socket, now, socket_info
from resilient_client.wire.sockets import resolve as names

HERE = object()


def _wait_for(sock: socket.socket, events: int, until: float) -> None:
    poll = select.poll()
    poll.register(sock, events)
    while True:
        left = until - now()
        if left <= 0:
            raise Expired("the socket was not ready in time")
        if poll.poll(None if left == inf else min(ceil(left * 1000), 2_000_000_000)):
            return


class BlockingStream:
    """A connected socket used by one thread at a time, but for `put`, `drain` and `abort`: see `TwoWayStream`."""

    __slots__ = ("_generation", "_kept", "_poll", "_putting", "_sock", "handed_over")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._generation = generation()
        self.handed_over = 0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._kept = bytearray()
        self._putting = threading.Lock()

    async def receive(self, until: float) -> bytes:
        """Block until bytes came."""
        while True:
            left = until - now()
            if left <= 0:
                raise Expired("nothing came in time")
            milliseconds = None if left == inf else min(ceil(left * 1000), 2_000_000_000)
            if self._push_until_readable(milliseconds) if self._kept else self._poll.poll(milliseconds):
                try:
                    return self._sock.recv(READ_SIZE)
                except BlockingIOError:
                    continue

    async def heard(self) -> bool:
        """Ask the kernel."""
        return bool(self._poll.poll(0))

    def on_news(self, tell: Callable[[], None] | None) -> None:
        """Tell nobody: a thread waits for one thing at a time."""

    async def send(self, data: bytes | memoryview, until: float, *, listening: bool = False) -> int:
        """Block until some of `data` was taken."""
        while True:
            try:
                count = self._sock.send(data)
            except BlockingIOError:
                _wait_for(self._sock, select.POLLOUT | (select.POLLIN if listening else 0), until)
                if listening and self._poll.poll(0):
                    return 0
            else:
                self.handed_over += count
                return count

    def _push_until_readable(self, milliseconds: int | None) -> bool:
        """Wait until there is something to read, handing over what is kept when there is room for that first."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | select.POLLOUT)
        ready = [events for _, events in poll.poll(milliseconds)]
        if any(events & select.POLLOUT for events in ready):
            with suppress(OSError):  # reading tells the same, behind what came before
                self.put(b"")
        return any(events & ~select.POLLOUT for events in ready)

    def put(self, data: bytes) -> None:
        """Hand over what fits, and keep the rest."""
        with self._putting:
            self._kept += data
            self._push_locked()

    def _push_locked(self) -> None:
        try:
            while self._kept:
                count = self._sock.send(self._kept)
                self.handed_over += count
                del self._kept[:count]
        except BlockingIOError:
            return
        except OSError:
            self._kept.clear()
            raise

    async def drain(self, until: float) -> None:
        """Block until nothing is kept."""
        while True:
            self.put(b"")
            if not self._kept:
                return
            _wait_for(self._sock, select.POLLOUT, until)

    def abort(self) -> None:
        """Close the socket. A thread that waits for it notices the shutdown; closing alone would leave it there."""
        if self._generation == generation():
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to read, not even the end."""
        return self._sock.fileno() != -1 and not self._poll.poll(0)

    @property
    def usable_here(self) -> bool:
        """Whether this is the process that opened it."""
        return self._generation == generation()

    def info(self, name: str) -> Any:
        """Return facts about the socket."""
        return socket_info(self._sock, name)


class BlockingNetwork:
    """Sockets for threads."""

    async def resolve(self, host: str, port: int, until: float) -> list[Address]:
        """Block until the name is resolved."""
        known = names.literal(host, port)
        if known is not None:
            return known
        pending: Future[list[Address]] = names.start(host, port)
        left = until - now()
        try:
            return pending.result(None if left == inf else max(left, 0))
        except TimeoutError:
            if pending.done():
                raise
            raise Expired(f"{host} did not resolve in time") from None

    async def connect(self, address: Address, until: float, source: str | None) -> Stream:
        """Block until connected."""
        sock = new_socket(address, source)
        try:
            problem = sock.connect_ex(address.sockaddr)
            if problem == errno.EINPROGRESS:  # EAGAIN: a unix socket with a full queue, and no connection
                _wait_for(sock, select.POLLOUT, until)
                problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                raise OSError(problem, os.strerror(problem))
        except BaseException:
            sock.close()
            raise
        return BlockingStream(sock)

    def home(self) -> object:
        """Return the one place all threads share."""
        return HERE

    def iterate(self, chunks: Iterable[bytes], until: float) -> ChunkSource:  # noqa: ARG002 - a thread's own code cannot be interrupted
        """Return the pieces of an ordinary iterable."""
        return BlockingChunks(iter(chunks))


class BlockingChunks:
    """A body from an ordinary iterator."""

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Iterator[bytes]) -> None:
        self._iterator = iterator

    async def next(self) -> bytes | None:
        """Return the next piece."""
        return next(self._iterator, None)

    def stop(self) -> None:
        """Do nothing: nobody waits here."""
