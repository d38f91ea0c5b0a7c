"""Plain clients for the paired server: what they show does not depend on any HTTP client's opinion."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

from resilient_client.testing.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 10.0


class Peer:
    """A TCP connection that says what it is told and shows the bytes it gets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def say(self, data: bytes) -> Peer:
        """Send all of `data`."""
        self.sock.sendall(data)
        return self

    def get(self, path: str = "/", *fields: str, method: str = "GET") -> Peer:
        """Send a request without a body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: test", *fields, "", ""]
        return self.say("\r\n".join(lines).encode())

    def hear(self) -> bytes:
        """Return what the next read gives: empty at the end."""
        return self.sock.recv(1 << 20)

    def hear_until(self, mark: bytes) -> bytes:
        """Return everything up to and including `mark`, or up to the end."""
        heard = b""
        while not heard.endswith(mark) and (piece := self.sock.recv(1)):
            heard += piece
        return heard

    def hear_all(self) -> bytes:
        """Return everything up to the end of the connection."""
        heard = b""
        while piece := self.hear():
            heard += piece
        return heard


@pytest.fixture
def dial() -> Iterator[Callable[[FaultServer], Peer]]:
    """Connect to a server; closed when the test ends."""
    with ExitStack() as peers:

        def connect(server: FaultServer) -> Peer:
            sock = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
            return Peer(peers.enter_context(sock))

        yield connect


@pytest.fixture
def browse() -> Iterator[Callable[[FaultServer], HTTPConnection]]:
    """Make a keep-alive `http.client` connection to a server; closed when the test ends."""
    with ExitStack() as clients:

        def connect(server: FaultServer) -> HTTPConnection:
            client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            clients.callback(client.close)
            return client

        yield connect


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A plain strict server."""
    with FaultServer() as running:
        yield running
