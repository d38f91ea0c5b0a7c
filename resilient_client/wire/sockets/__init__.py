"""Sockets as the wire sees them: every operation has a time it must be done by.

One protocol, two worlds: `blocking` (threads) and `nonblocking` (asyncio). TLS, proxies and HTTP are written once over
it. Times are readings of `time.monotonic()`; `math.inf` waits for ever.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

READ_SIZE: Final = 64 * 1024

now: Final = time.monotonic


class Expired(TimeoutError):
    """A socket operation was not done in time."""


class Stream(Protocol):
    """A connected byte stream with one owner."""

    @property
    def handed_over(self) -> int:
        """Bytes given to the kernel so far, those of TLS included: none means that the peer cannot have seen any."""
        ...

    async def receive(self, until: float) -> bytes:
        """Return the next bytes, empty at the end of the stream; raises `Expired` or `OSError`."""
        ...

    async def heard(self) -> bool:
        """Return whether `receive` would return or raise at once: the peer said something, or hung up."""
        ...

    def on_news(self, tell: Callable[[], None] | None) -> None:
        """Have `tell` called when something comes from the peer while a task waits for something else."""
        ...

    async def send(self, data: bytes | memoryview, until: float, *, listening: bool = False) -> int:
        """Hand over what fits of `data` and return how many bytes; raises `Expired` or `OSError`.

        `listening`: return 0 as soon as the peer says something while it takes nothing.
        """
        ...

    def abort(self) -> None:
        """Close at once, synchronously; safe from anywhere, any number of times."""
        ...

    @property
    def quiet(self) -> bool:
        """Whether nothing came and nobody hung up since the last read; a stream that is not is of no use any more."""
        ...

    @property
    def usable_here(self) -> bool:
        """Whether the running event loop (or, blocking, any thread) of this process may use it."""
        ...

    def info(self, name: str) -> Any:
        """Return `socket`, `ssl_object`, `server_addr` or `client_addr`; None when there is none."""
        ...


class TwoWayStream(Stream, Protocol):
    """A stream that one reads while others write: without TLS, which is put around its bytes by whom they belong to."""

    def put(self, data: bytes) -> None:
        """Hand over what fits of `data` and keep the rest, to go in order; never waits; raises `OSError`.

        From any thread, also while another one receives. Not to be mixed with `send`.
        """
        ...

    async def drain(self, until: float) -> None:
        """Return when nothing is kept any more; raises `Expired` or `OSError`. For one at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """One resolved address."""

    family: int
    sockaddr: tuple[Any, ...] | str


class Network(Protocol):
    """Where streams come from."""

    async def resolve(self, host: str, port: int, until: float) -> list[Address]:
        """Return the addresses of `host`, at least one; raises `Expired` or `OSError`."""
        ...

    async def connect(self, address: Address, until: float, source: str | None) -> Stream:
        """Return a stream to `address`; raises `Expired` or `OSError`."""
        ...

    def home(self) -> object:
        """Return what a connection made now belongs to: the running event loop, or one constant."""
        ...

    def iterate(self, chunks: Any, until: float) -> ChunkSource:
        """Return a request body's pieces as something to be awaited."""
        ...


class ChunkSource(Protocol):
    """A request body's pieces, one at a time."""

    async def next(self) -> bytes | None:
        """Return the next piece, None at the end; raises `Expired` when it does not come in time."""
        ...

    def stop(self) -> None:
        """End a wait for the next piece, which is not wanted any more, with `Expired`."""
        ...


def new_socket(address: Address, source: str | None) -> socket.socket:
    """Return a non-blocking socket for `address`, without Nagle's delay where that exists."""
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if address.family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source is not None:
                sock.bind((source, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def readable(sock: socket.socket) -> bool:
    """Return whether there is something to read on `sock`, be it its end."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def socket_info(sock: socket.socket, name: str) -> Any:
    """Answer the questions `Stream.info` may be asked about a plain socket."""
    try:
        if name == "socket":
            return sock
        if name == "server_addr":
            return sock.getpeername()
        if name == "client_addr":
            return sock.getsockname()
    except OSError:
        return None
    return None
