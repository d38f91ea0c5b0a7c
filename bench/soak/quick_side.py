"""The quick far side, in a process of its own: a little answer to whoever asks, or one of a dozen kinds of trouble.

Run as `python -m bench.soak.quick_side PORT TLS_PORT JOURNAL SEED TROUBLE CERTIFICATE`; says "ready" when it listens.
It imports nothing of the product and little else, so that one that was killed is back in a moment.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import ssl
import struct
import sys
from functools import partial

from bench.soak.journal import Journal

CHUNK = b"%d a line of a stream\n"
LINES = 40
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


def body_of(number: int) -> bytes:
    """What is answered to call `number`, so that no answer can be taken for another's."""
    return b"%d " % number + b"x" * 200


def head(status: bytes, length: int, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, length, more)


class Connection(asyncio.Protocol):
    """One connection: takes requests one after another, and draws what happens to each."""

    def __init__(self, journal: Journal, draw: random.Random, trouble: float) -> None:
        self.journal = journal
        self.draw = draw
        self.trouble = trouble
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        while end >= 0:
            fields, rest = self.buffer[:end].lower(), self.buffer[end + 4 :]
            at = fields.find(b"\r\ncontent-length:")
            length = 0 if at < 0 else int(fields[at + 17 :].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            target = self.buffer.split(b" ", 2)[1]
            self.buffer = rest[length:]
            self.asked(target)
            end = self.buffer.find(b"\r\n\r\n")

    def asked(self, target: bytes) -> None:
        _, kind, digits = target.split(b"/")
        number = int(digits)
        self.journal.saw(number)
        if self.draw.random() < self.trouble:
            self.draw.choices(TROUBLES, WEIGHTS)[0](self, number)
        elif kind == b"stream":
            self.stream(number)
        else:
            self.ok(number)

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def later(self, seconds: float, act) -> None:
        asyncio.get_running_loop().call_later(seconds, act)

    # Good answers.

    def ok(self, number: int, more: bytes = b"") -> None:
        body = body_of(number)
        self.write(head(b"200 OK", len(body), more) + body)

    def stream(self, number: int) -> None:
        line = CHUNK % number
        chunk = b"%x\r\n%s\r\n" % (len(line), line)
        self.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * LINES + b"0\r\n\r\n")

    def packed(self, number: int) -> None:
        body = gzip.compress(body_of(number), 1)
        self.write(head(b"200 OK", len(body), b"Content-Encoding: gzip\r\n") + body)

    # Trouble.

    def late(self, number: int) -> None:
        self.later(self.draw.random() * 0.1, partial(self.ok, number))

    def error(self, number: int) -> None:
        self.write(head(b"500 Internal Server Error", 0))

    def unavailable(self, number: int) -> None:
        self.write(head(b"503 Service Unavailable", 0, b"Retry-After: 0\r\n"))

    def throttled(self, number: int) -> None:
        self.write(head(b"429 Too Many Requests", 0, b"Retry-After: 1\r\n"))

    def reset(self, number: int) -> None:
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.transport.abort()

    def hang(self, number: int) -> None:
        """Say nothing; the client has to leave."""

    def short(self, number: int) -> None:
        self.write(head(b"200 OK", 5000) + body_of(number))
        self.transport.close()

    def drip(self, number: int) -> None:
        body = body_of(number)
        self.write(head(b"200 OK", len(body)))
        for place in range(10):
            piece = body[place * len(body) // 10 : (place + 1) * len(body) // 10]
            self.later(0.03 * place, partial(self.write, piece))

    def drip_for_ever(self, number: int) -> None:
        self.write(head(b"200 OK", 10**6) + body_of(number))
        for place in range(40):
            self.later(0.05 * place, partial(self.write, b"."))

    def last(self, number: int) -> None:
        self.ok(number, b"Connection: close\r\n")
        self.transport.close()

    def leave(self, number: int) -> None:
        """Answer as if the connection stayed, and close it."""
        self.ok(number)
        self.transport.close()

    def two_answers(self, number: int) -> None:
        self.write(head(b"200 OK", 204) + body_of(number)[:204] + head(b"200 OK", 6) + b"forged")

    def garbage(self, number: int) -> None:
        self.write(b"\x00\xff no HTTP at all \r\n\r\n")
        self.transport.close()


TROUBLES = {
    Connection.late: 20,
    Connection.error: 10,
    Connection.unavailable: 10,
    Connection.throttled: 3,
    Connection.reset: 10,
    Connection.hang: 6,
    Connection.short: 8,
    Connection.drip: 4,
    Connection.drip_for_ever: 2,
    Connection.last: 15,
    Connection.leave: 15,
    Connection.two_answers: 5,
    Connection.garbage: 4,
    Connection.packed: 10,
}
WEIGHTS = tuple(TROUBLES.values())
TROUBLES = tuple(TROUBLES)


async def serve(port: int, tls_port: int, journal: Journal, seed: int, trouble: float, certificate: str) -> None:
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = partial(Connection, journal, random.Random(seed), trouble)
    plain = await loop.create_server(made, "127.0.0.1", port, backlog=512, reuse_port=True)
    secure = await loop.create_server(made, "127.0.0.1", tls_port, backlog=512, reuse_port=True, ssl=context)
    print("ready", flush=True)
    await asyncio.gather(plain.serve_forever(), secure.serve_forever())


if __name__ == "__main__":
    port, tls_port, path, seed, trouble, certificate = sys.argv[1:]
    asyncio.run(serve(int(port), int(tls_port), Journal(path), int(seed), float(trouble), certificate))
