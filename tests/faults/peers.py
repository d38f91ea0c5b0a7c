"""A far side that is nothing but a socket: for what happens below HTTP, or before a request was read."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from faults.scenes import Scene

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[socket.socket], object]


def head_of(connection: socket.socket) -> bytes:
    """Read a request's head, and what of its body came with it; empty when there is none."""
    head = b""
    while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
        head += piece
    return head


def read_on(connection: socket.socket) -> None:
    """Read until the client leaves."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """End a connection with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def serve_well(connection: socket.socket) -> None:
    """Answer every request."""
    while head_of(connection):
        connection.sendall(OK)


class Peer:
    """Listens on a free port of 127.0.0.1; `serve` talks to each connection, on a thread of its own.

    Whatever a client does to a connection ends only that one. After `mend()` new connections are served well.
    """

    def __init__(self, serve: Serve, listener: socket.socket | None = None) -> None:
        self.serve = serve
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = self._start(self._accept)

    def mend(self) -> None:
        """Be a good server from now on, to new connections."""
        self.serve = serve_well

    def _start(self, run: Callable[..., None], *given: Any) -> threading.Thread:
        thread = threading.Thread(target=run, args=given, name="raw-peer", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                self._start(self._talk, connection, self.serve)

    def _talk(self, connection: socket.socket, serve: Serve) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def close(self) -> None:
        """Hang up everywhere and wait for the threads.

        The listener is closed when no thread accepts any more: its descriptor may be that of another one then.
        """
        self._end(self._listener)
        self._accepting.join(10)
        for one in (self._listener, *self._open):
            self._end(one)
            one.close()
        for thread in self._threads:
            thread.join(10)

    def _end(self, one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@contextmanager
def peer(serve: Serve, listener: socket.socket | None = None) -> Iterator[Peer]:
    """Run a peer, on a listening socket that may be there already."""
    running = Peer(serve, listener)
    try:
        yield running
    finally:
        running.close()


def met_by(serve: Serve, *, scheme: str = "http", good: str | None = None, **scene: Any) -> Any:
    """The scene of a peer; the good call goes to it as well, unless it goes to the world's own server."""

    @contextmanager
    def playing(world: Any) -> Iterator[Scene]:
        with peer(serve) as running:
            elsewhere = scheme == "https"
            url = f"{scheme}://localhost:{running.port}" if elsewhere else f"http://127.0.0.1:{running.port}"
            there = world.url if elsewhere else url
            yield Scene(f"{url}/fault", f"{there}/text", mend=running.mend, **scene)

    return playing


def over_tls(context: Callable[[], ssl.SSLContext], serve: Serve) -> Serve:
    """Serve inside TLS; a handshake that fails ends the connection."""

    def talk(connection: socket.socket) -> None:
        with context().wrap_socket(connection, server_side=True) as secured:
            serve(secured)

    return talk
