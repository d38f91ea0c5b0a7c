"""Requests cut short by an answer, and answers that end with their connection: what is left is not used again."""

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
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)


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
    over = threading.Event()

    def refuse(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n")
        over.wait(20)  # reads no more, or the client might get rid of all of it

    with serving(refuse) as url:
        refused, second = make(url, ("GET", {"headers": {"X": "x" * 16_000_000}}), ("GET", {}))
        over.set()
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


def test_an_answer_behind_something_that_is_none_does_not_count_however_long_the_body_takes_to_stop():
    stopping, answered = threading.Event(), threading.Event()

    def confuse(connection):
        connection.recv(65536)
        connection.sendall(b"SSH-2.0-x\r\n")
        stopping.wait(10)
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        answered.set()
        read_on(connection)

    async def slow_to_stop():
        yield b"first"
        try:
            await asyncio.sleep(60)
        finally:
            stopping.set()
            await asyncio.to_thread(answered.wait, 10)
            for _ in range(10):  # turns of the loop, in which it reads
                await asyncio.sleep(0)

    with serving(confuse) as url:
        [failure] = asynchronous(url, ("POST", {"content": slow_to_stop()}))
    assert (failure.kind, failure.status) == (FailureKind.PROTOCOL, None)


@pytest.mark.parametrize("facade", [Client, AsyncClient])
def test_a_connection_whose_end_was_the_end_of_the_answer_is_not_kept(facade):
    def unmeasured(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")

    async def go(url):
        async with AsyncClient("ended", policy=ONCE) as client:
            return (await client.get(url)).content, client._wire._transport._pool.idle

    def block(url):
        with Client("ended", policy=ONCE) as client:
            return client.get(url).content, client._wire._transport._pool.idle

    with serving(unmeasured) as url:
        assert (block(url) if facade is Client else asyncio.run(go(url))) == (b"until the end", 0)
