"""A listening socket on loopback, or on a Unix path, that can be taken away and put back on the same address."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

BACKLOG: Final = 1024

# Without free descriptors accepting fails at once; it is tried again this much later, in seconds.
ACCEPT_AGAIN: Final = 0.05


def require_loopback(host: str) -> str:
    """Return the address to bind for `host`; ValueError for any that others than this machine could reach."""
    if host == "localhost":
        return "127.0.0.1"
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return host
    raise ValueError(f"host={host!r}: the paired server is for tests and binds loopback only, such as 127.0.0.1")


class Listener:
    """Bound from construction, so that its port is known; connecting is refused except between `up` and `down`.

    All but the constructor runs on the event loop's thread. `accepted` is called with each new connection's socket.
    """

    def __init__(self, host: str, port: int, uds: str | None, accepted: Callable[[socket.socket], None]) -> None:
        self.port = port
        self._host = require_loopback(host)
        self._uds = uds
        self._accepted = accepted
        self._loop: asyncio.AbstractEventLoop | None = None
        self._socket = self._bind()
        if uds is None:
            self.port = self._socket.getsockname()[1]

    def up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen; nothing when it already does."""
        if self._loop is None:
            self._loop = loop
            self._socket.listen(BACKLOG)
            loop.add_reader(self._socket, self._accept)

    def down(self) -> None:
        """Refuse connections, the address still held: no other socket can be given the port meanwhile."""
        if self._loop is not None:
            self.close()
            self._socket = self._bind()

    def close(self) -> None:
        """Give the address back."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._loop = None
        self._socket.close()
        if self._uds is not None:
            Path(self._uds).unlink(missing_ok=True)

    def _bind(self) -> socket.socket:
        inet = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # Named as TCP, its connections get no Nagle's delay from asyncio, which looks at the protocol's number.
        bound = socket.socket(inet, proto=socket.IPPROTO_TCP) if self._uds is None else socket.socket(socket.AF_UNIX)
        try:
            bound.settimeout(0)
            if self._uds is None:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self._host, self.port) if self._uds is None else self._uds)
        except BaseException:
            bound.close()
            raise
        return bound

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._socket.accept()
                self._accepted(connection)
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._rest()

    def _rest(self) -> None:
        loop, resting = self._loop, self._socket
        if loop is not None:
            loop.remove_reader(resting)
            loop.call_later(ACCEPT_AGAIN, self._resume, resting)

    def _resume(self, rested: socket.socket) -> None:
        if self._loop is not None and self._socket is rested:
            self._loop.add_reader(rested, self._accept)
