"""A server that has said all it has to say, and hangs up its side, while a request is still on its way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

from resilient_client import AsyncClient, Client, FailureKind, Policy

LARGE = bytes(16 * 1024 * 1024)


def blocking(url):
    with Client("half-closed", policy=Policy(retry=None)) as client:
        return client.put(url, content=LARGE)


def asynchronous(url):
    async def put():
        async with AsyncClient("half-closed", policy=Policy(retry=None)) as client:
            return await client.put(url, content=LARGE)

    return asyncio.run(put())


def refuse(listener):
    """Answer the head of a request, end the answers, and only then take the rest of it."""
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


@pytest.mark.parametrize("put", [blocking, asynchronous])
def test_an_upload_is_refused_and_the_rest_of_it_taken(put):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=refuse, args=(listener,))
        serving.start()
        failure = put(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        serving.join()
    assert (failure.kind, failure.status) == (FailureKind.CLIENT_ERROR, 413)
