"""Raw listeners: each does the one wrong thing it is for."""

from __future__ import annotations

import socket
import ssl

import pytest

from resilient_client.testing.sockets import (
    Address,
    black_hole,
    full_backlog,
    never_reads,
    refused_port,
    stalled_tls,
)

# Long enough for a loopback peer that would answer, short enough to wait for.
NEVER = 0.2


def connect(address: Address, *, timeout: float = NEVER) -> socket.socket:
    return socket.create_connection((address.host, address.port), timeout)


def test_a_refused_port_refuses_every_time() -> None:
    with refused_port() as address:
        assert address.url == f"http://127.0.0.1:{address.port}"
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                connect(address)


def test_connecting_to_a_full_backlog_hangs() -> None:
    with full_backlog() as address:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                connect(address)


def test_a_full_backlog_is_gone_afterwards() -> None:
    with full_backlog() as address:
        pass
    with pytest.raises(ConnectionRefusedError):
        connect(address)


def test_a_stalled_handshake_connects_and_says_nothing() -> None:
    context = ssl.create_default_context()
    with stalled_tls() as address, connect(address) as sock:
        assert address.url.startswith("https://127.0.0.1:")
        with pytest.raises(TimeoutError):
            context.wrap_socket(sock, server_hostname="localhost")


def test_a_black_hole_takes_everything_and_answers_nothing() -> None:
    with black_hole() as address, connect(address, timeout=10) as sock, connect(address) as other:
        other.close()
        for _ in range(50):
            sock.sendall(b"x" * 1_000_000)
        sock.settimeout(NEVER)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_a_peer_that_never_reads_blocks_an_upload() -> None:
    with never_reads() as address, connect(address) as sock, pytest.raises(TimeoutError):
        for _ in range(100):
            sock.sendall(b"x" * 1_000_000)


@pytest.mark.parametrize("raw", [stalled_tls, never_reads, black_hole])
def test_leaving_ends_the_connections(raw: object) -> None:
    with raw() as address:  # type: ignore[operator]
        sock = connect(address, timeout=10)
    with sock:
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            return
