"""Requests that were cut short by an answer: what becomes of them, and of the connection with a part of one on it."""

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from resilient_client import AsyncClient, Client, FailureKind, Policy, Timeouts

ONCE = Policy(retry=None, timeouts=Timeouts(total=30, attempt=30, read=5))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def serving(first):
    """A server whose first connection is `first`'s; all others are served well."""

    def accept():
        with suppress(OSError):
            for serve in iter(lambda: talks.pop() if talks else well, None):
                connection, _ = listener.accept()
                threading.Thread(target=talk, args=(serve, connection), daemon=True).start()

    def talk(serve, connection):
        with connection, suppress(OSError):
            serve(connection)

    talks = [first]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def well(connection):
    while connection.recv(65536):
        connection.sendall(OK)


def read_on(connection):
    while connection.recv(65536):
        pass


def blocking(url, *calls):
    with Client("cut-short", policy=ONCE) as client:
        return [client.request(method, url, **options) for method, options in calls]


def asynchronous(url, *calls):
    async def go():
        async with AsyncClient("cut-short", policy=ONCE) as client:
            return [await client.request(method, url, **options) for method, options in calls]

    return asyncio.run(go())


@pytest.mark.parametrize("make", [blocking, asynchronous])
def test_a_connection_with_half_a_head_on_it_is_not_used_again(make):
    def refuse(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n")
        read_on(connection)

    with serving(refuse) as url:
        refused, second = make(url, ("GET", {"headers": {"X": "x" * 16_000_000}}), ("GET", {}))
    assert (refused.status, second.status, second.attempts[0].reused) == (431, 200, False)


def test_a_connection_whose_last_chunk_was_not_sent_is_not_used_again():
    refused_now = threading.Event()

    def refuse(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        refused_now.set()
        read_on(connection)

    def pieces():
        yield b"first"
        refused_now.wait(10)

    with serving(refuse) as url:
        refused, second = blocking(url, ("POST", {"content": pieces()}), ("GET", {}))
    assert (refused.status, second.status, second.attempts[0].reused) == (413, 200, False)


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-x\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"], ids=["no HTTP", "a switch"]
)
def test_what_is_wrong_with_an_early_answer_is_not_forgotten_over_a_piece_that_comes_all_the_same(said):
    def confuse(connection):
        connection.recv(65536)
        connection.sendall(said)
        received = b""
        while not received.endswith(b"0\r\n\r\n") and (piece := connection.recv(65536)):
            received += piece
        connection.sendall(OK)

    async def stubborn():
        yield b"first"
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        yield b"second"

    upgrade = {"Connection": "Upgrade", "Upgrade": "x"}
    with serving(confuse) as url:
        [failure] = asynchronous(url, ("POST", {"content": stubborn(), "headers": upgrade}))
    assert (failure.kind, failure.sent) == (FailureKind.PROTOCOL, True)
