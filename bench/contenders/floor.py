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
HEAD = 1024
"""Bytes that the head of an answer may have."""


def request_for(target: Target) -> bytes:
    head = f"GET / HTTP/1.1\r\nHost: {urlsplit(target.url).netloc}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
    return f"{head}Connection: keep-alive\r\nUser-Agent: floor\r\n\r\n".encode("ascii")


def room_for(target: Target) -> memoryview:
    """Return room for a whole answer, so that nothing is put together from pieces."""
    return memoryview(bytearray(target.size + HEAD))


def place_of_body(data: bytearray, have: int) -> tuple[int, int] | None:
    """Return where the body begins and ends, once the head is there."""
    head = data.find(b"\r\n\r\n", 0, have)
    if head < 0:
        return None
    return head + 4, head + 4 + int(LENGTH.search(data, 0, head)[1])


def closed() -> int:
    raise ConnectionError("the server closed the connection in the middle of an answer")


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
            sock, kept.room = connected(target), room_for(target)
            kept.sock = sock
        room = kept.room
        sock.sendall(request)
        have, place = 0, None
        while place is None or have < place[1]:
            have += sock.recv_into(room[have:]) or closed()
            place = place or place_of_body(room.obj, have)
        return bytes(room[place[0] : have])

    yield get


class Connection(asyncio.BufferedProtocol):
    """One connection, one request at a time."""

    transport: Any
    answer: asyncio.Future[bytes]

    def __init__(self, target: Target) -> None:
        self.room, self.have = room_for(target), 0
        self.place: tuple[int, int] | None = None
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.room[self.have :]

    def buffer_updated(self, count: int) -> None:
        self.have += count
        self.place = self.place or place_of_body(self.room.obj, self.have)
        if self.place is not None and self.have >= self.place[1]:
            start, end = self.place
            self.have, self.place = 0, None
            self.answer.set_result(bytes(self.room[start:end]))

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
            _, connection = await loop.create_connection(
                lambda: Connection(target), parts.hostname, parts.port, ssl=context
            )
        body = await connection.ask(request)
        idle.append(connection)
        return body

    yield get
