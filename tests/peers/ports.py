"""A port that nobody else takes, whoever listens on it: kept for a server that will be stopped and started again."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def reserved(count: int) -> Iterator[list[int]]:
    """Ports of 127.0.0.1, each bound by a socket that does not listen.

    The kernel gives such a port to nobody who asks for any, and lets those who ask for this one listen beside it: nginx
    and squid by SO_REUSEADDR, haproxy and Envoy by SO_REUSEPORT. So a port is never lost to another process, neither
    before the server's start nor while it is down.
    """
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in sockets]
