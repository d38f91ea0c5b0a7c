"""The server for machines without nginx, and for what nginx does not do: hang, or listen on every loopback address.

`python -m bench.far_side SMALL LARGE TLS CERTIFICATE` listens on these ports; `python -m bench.far_side hang PORT`
never answers, and `python -m bench.far_side everywhere PORT` answers, on all of 127.0.0.0/8.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import suppress
from typing import Any

from bench.cases import LARGE, SMALL

with suppress(ImportError):
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


class Hanging(asyncio.Protocol):
    """Never answers, and talks to this machine only."""

    transport: Any

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if not transport.get_extra_info("sockname")[0].startswith("127."):
            transport.abort()


class Answering(Hanging):
    """Answers each request, which is known by its end, with as many bytes as it was told."""

    def __init__(self, size: int) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            self.buffer = self.buffer[end + 4 :]
            self.transport.write(self.answer)


async def listen(host: str, port: int, protocol: Any, context: ssl.SSLContext | None = None) -> None:
    server = await asyncio.get_running_loop().create_server(protocol, host, port, backlog=4096, ssl=context)
    await server.serve_forever()


async def main(arguments: list[str]) -> None:
    if arguments[0] == "hang":
        await listen("0.0.0.0", int(arguments[1]), Hanging)
    elif arguments[0] == "everywhere":
        await listen("0.0.0.0", int(arguments[1]), lambda: Answering(SMALL))
    else:
        small, large, tls = map(int, arguments[:3])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments[3])
        await asyncio.gather(
            listen("127.0.0.1", small, lambda: Answering(SMALL)),
            listen("127.0.0.1", large, lambda: Answering(LARGE)),
            listen("127.0.0.1", tls, lambda: Answering(SMALL), context),
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
