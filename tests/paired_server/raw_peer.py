"""A client that is nothing but a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


class Peer:
    """A TCP connection that says what it is told and shows the bytes it gets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def say(self, data: bytes) -> Peer:
        """Send all of `data`."""
        self.sock.sendall(data)
        return self

    def get(self, path: str = "/", *fields: str, method: str = "GET") -> Peer:
        """Send a request without a body."""
        lines = [f"{method} {path} HTTP/1.1", "Host: test", *fields, "", ""]
        return self.say("\r\n".join(lines).encode())

    def hear(self) -> bytes:
        """Return what the next read gives: empty at the end."""
        return self.sock.recv(1 << 20)

    def hear_until(self, mark: bytes) -> bytes:
        """Return everything up to and including `mark`, or up to the end."""
        heard = b""
        while not heard.endswith(mark) and (piece := self.sock.recv(1)):
            heard += piece
        return heard

    def hear_all(self) -> bytes:
        """Return everything up to the end of the connection."""
        heard = b""
        while piece := self.hear():
            heard += piece
        return heard
