"""A quick server in a process of its own: 200 bytes to whoever asks, as little work as asyncio allows."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from contextlib import contextmanager

BODY = b"x" * 200
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Quick(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            self.buffer = self.buffer[end + 4 :]
            self.transport.write(ANSWER)


def _serve(pipe, core):
    if core is not None:
        os.sched_setaffinity(0, {core})

    async def main():
        server = await asyncio.get_running_loop().create_server(Quick, "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def quick_server():
    """Yield the URL of a server on a core of its own, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    mine, other = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(other, cores[-1] if len(cores) > 1 else None), daemon=True
    )
    process.start()
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[0]})
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        os.sched_setaffinity(0, set(cores))
        process.terminate()
        process.join()
