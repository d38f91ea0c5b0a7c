"""The floor: sockets by hand, a request that was written beforehand, and of the answer only the length is read.

It handles nothing that can go wrong. What a client costs above this is what it does for its caller.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from bench.cases import Target

LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


def request_for(target: Target) -> bytes:
    head = f"GET / HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
    return f"{head}Connection: keep-alive\r\nUser-Agent: floor\r\n\r\n".encode("ascii")


def length_of(data: bytes | bytearray) -> tuple[int, int] | None:
    """Return where the body begins and ends, once the head is there."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    return head + 4, head + 4 + int(LENGTH.search(data, 0, head)[1])


def connected(target: Target) -> socket.socket:
    parts = urlsplit(target.url)
    sock = socket.create_connection((parts.hostname, parts.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if target.roots:
        context = ssl.create_default_context(cafile=target.roots)
        return context.wrap_socket(sock, server_hostname=parts.hostname)
    return sock


@contextmanager
def blocking(target: Target):
    request, kept = request_for(target), threading.local()

    def get() -> bytes:
        sock = getattr(kept, "sock", None)
        if sock is None:
            sock = kept.sock = connected(target)
        sock.sendall(request)
        data = sock.recv(65536)
        start, end = length_of(data)
        if len(data) < end:
            pieces, missing = [data], end - len(data)
            while missing:
                pieces.append(sock.recv(65536))
                missing -= len(pieces[-1])
            data = b"".join(pieces)
        return data[start:end]

    yield get


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    transport: Any
    answer: asyncio.Future[bytes]

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.data = bytearray()
        self.place: tuple[int, int] | None = None

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.place = self.place or length_of(self.data)
        if self.place is not None and len(self.data) >= self.place[1]:
            start, end = self.place
            body, self.data, self.place = bytes(self.data[start:end]), bytearray(), None
            self.answer.set_result(body)

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self.answer = self.loop.create_future()
        self.transport.write(request)
        return self.answer


@asynccontextmanager
async def asynchronous(target: Target):
    request, idle = request_for(target), []
    parts, loop = urlsplit(target.url), asyncio.get_running_loop()
    context = ssl.create_default_context(cafile=target.roots) if target.roots else None

    async def get() -> bytes:
        connection = idle.pop() if idle else None
        if connection is None:
            _, connection = await loop.create_connection(Connection, parts.hostname, parts.port, ssl=context)
        body = await connection.ask(request)
        idle.append(connection)
        return body

    yield get
