"""Raw loopback sockets for what no HTTP server does: a full queue, a stalled handshake, a peer that never reads.

Each is a context manager that yields an `Address`; leaving it closes everything. The kernel completes connections to a
listening socket by itself, so a peer that stays silent needs no thread.
"""

from __future__ import annotations

import errno
import selectors
import socket
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"

BACKLOG: Final = 128

# On loopback a connection that can be made is made at once; one still pending after this many seconds hangs.
PENDING: Final = 0.1

MOST_TO_FILL: Final = 512

# The smallest the kernel gives: it rounds up.
TINY_BUFFER: Final = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a raw socket is."""

    port: int
    scheme: str = "http"
    host: str = HOST

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{self.scheme}://{self.host}:{self.port}"


@contextmanager
def refused_port() -> Iterator[Address]:
    """Yield a port that refuses connections and is given to no one else meanwhile."""
    with closing(socket.socket()) as bound:
        bound.bind((HOST, 0))
        yield Address(bound.getsockname()[1])


@contextmanager
def full_backlog() -> Iterator[Address]:
    """Yield a port where connecting hangs, its queue of connections being full.

    Raises RuntimeError on a system whose queue does not fill.
    """
    with ExitStack() as open_sockets:
        listener = open_sockets.enter_context(_listening(0))
        address = listener.getsockname()
        for _ in range(MOST_TO_FILL):
            filler = open_sockets.enter_context(closing(socket.socket()))
            if _hangs(filler, address):
                yield Address(address[1])
                return
        raise RuntimeError(f"the queue of connections was not full after {MOST_TO_FILL}")


@contextmanager
def stalled_tls() -> Iterator[Address]:
    """Yield a port that takes TCP connections and never says a word of TLS."""
    with _listening(BACKLOG) as listener:
        yield Address(listener.getsockname()[1], "https")


@contextmanager
def never_reads() -> Iterator[Address]:
    """Yield a port whose connections are never read, with the smallest receive buffer, so that an upload blocks.

    It blocks once the sender's own buffer is full, too: a few megabytes where the system does not limit it.
    """
    with _listening(BACKLOG, receive_buffer=TINY_BUFFER) as listener:
        yield Address(listener.getsockname()[1])


@contextmanager
def black_hole() -> Iterator[Address]:
    """Yield a port that takes connections, reads for ever and answers nothing."""
    with _listening(BACKLOG) as listener:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            thread = threading.Thread(target=_swallow, args=(listener, theirs), name="black-hole", daemon=True)
            thread.start()
            try:
                yield Address(listener.getsockname()[1])
            finally:
                ours.close()
                thread.join()


@contextmanager
def _listening(backlog: int, *, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    with closing(socket.socket()) as listener:
        if receive_buffer is not None:  # connections inherit it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind((HOST, 0))
        listener.listen(backlog)
        yield listener


def _hangs(sock: socket.socket, address: tuple[str, int]) -> bool:
    """Begin to connect and say whether it stays pending; OSError when it fails instead."""
    sock.settimeout(0)
    begun = sock.connect_ex(address)
    if begun not in (0, errno.EINPROGRESS):
        raise OSError(begun, "a connection meant to fill the queue failed")
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        return not selector.select(PENDING)


def _swallow(listener: socket.socket, stop: socket.socket) -> None:
    """Read everything on every connection until `stop` becomes readable."""
    with selectors.DefaultSelector() as selector, ExitStack() as connections:
        selector.register(stop, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is stop:
                    return
                with suppress(OSError):  # a reset ends a connection too; an accept may find its client gone
                    if key.fileobj is listener:
                        connection = connections.enter_context(closing(listener.accept()[0]))
                        selector.register(connection, selectors.EVENT_READ, connection)
                        continue
                    if key.data.recv(65536):
                        continue
                if key.fileobj is not listener:
                    selector.unregister(key.fileobj)
