"""Plain clients for the paired server: what they show does not depend on any HTTP client's opinion."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest
from raw_peer import Peer

from resilient_client.testing.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 10.0


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
