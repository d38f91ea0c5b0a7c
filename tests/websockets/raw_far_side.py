"""A far side that is nothing but a socket: it opens WebSockets, and then reads only when it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from resilient_client.wire.websockets.handshake import accept_of


def _open(sock: socket.socket) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n") if b": " in line)
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept_of(fields[b"Sec-WebSocket-Key"])
        + b"\r\n\r\n"
    )


@contextlib.contextmanager
def far_side(behave: Callable[[socket.socket], object]) -> Iterator[str]:
    """Yield the URL of a server that calls `behave` with each open socket, on a thread, and then waits for the end."""
    over = threading.Event()
    connections: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            _open(sock)
            behave(sock)
            over.wait()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                connections.append(sock)
                threading.Thread(target=serve, args=(sock,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            for sock in connections:
                sock.close()
            accepting.join(5)


def text(content: str) -> bytes:
    """Return the frame of a short text, as a server sends it."""
    return b"\x81" + bytes([len(content)]) + content.encode()


def read_until(sock: socket.socket, end: bytes) -> None:
    """Read on until what came ends with `end`."""
    last = b""
    while not last.endswith(end) and (data := sock.recv(1 << 16)):
        last = (last + data)[-100:]
