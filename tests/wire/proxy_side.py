"""A small forwarding, tunnelling and SOCKS5 proxy for tests, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit


class Proxy:
    """Counts what it was asked for in `seen`; `refuse` is the status, or the reply of SOCKS, it answers instead."""

    def __init__(self, *, refuse: int | None = None) -> None:
        self.seen: list[str] = []
        self.authorizations: list[str] = []
        self.refuse = refuse
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.open.append(client)
                threading.Thread(target=self._serve_quietly, args=(client,), daemon=True).start()

    def _serve_quietly(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            first = client.recv(1, socket.MSG_PEEK)
            self._socks(client) if first == b"\x05" else self._http(client)

    def _http(self, client: socket.socket) -> None:
        while head := self._head(client):
            line, *fields = head.decode().split("\r\n")
            self.seen.append(line)
            self.authorizations += [field for field in fields if field.lower().startswith("proxy-authorization")]
            method, target, _ = line.split(" ")
            if self.refuse:
                client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.refuse)
                return
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                self._pump(client, host, int(port))
                return
            self._forward(client, head, target)

    def _head(self, client: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = client.recv(1)
            if not piece:
                return b""
            head += piece
        return head

    def _forward(self, client: socket.socket, head: bytes, target: str) -> None:
        url = urlsplit(target)
        path = url.path + (f"?{url.query}" if url.query else "")
        with socket.create_connection((url.hostname, url.port)) as server:
            server.sendall(
                head.replace(target.encode(), path.encode(), 1).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
            )
            while piece := server.recv(65536):
                client.sendall(piece)
        client.close()

    def _socks(self, client: socket.socket) -> None:
        _, count = client.recv(2)
        methods = client.recv(count)
        if 2 in methods:
            client.sendall(b"\x05\x02")
            _, length = client.recv(2)
            user = client.recv(length)
            password = client.recv(client.recv(1)[0])
            self.authorizations.append(f"{user.decode()}:{password.decode()}")
            client.sendall(b"\x01\x00")
        else:
            client.sendall(b"\x05\x00")
        _, _, _, kind = client.recv(4)
        host = socket.inet_ntoa(client.recv(4)) if kind == 1 else client.recv(client.recv(1)[0]).decode()
        port = int.from_bytes(client.recv(2), "big")
        self.seen.append(f"SOCKS {host}:{port}")
        if self.refuse:
            client.sendall(b"\x05%c\x00\x01\0\0\0\0\0\0" % self.refuse)
            return
        client.sendall(b"\x05\x00\x00\x01\0\0\0\0\0\0")
        self._pump(client, host, port)

    def _pump(self, client: socket.socket, host: str, port: int) -> None:
        server = socket.create_connection((host, port))
        self.open.append(server)
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)
        back.join(5)
        server.close()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let no thread be left that would accept for whoever gets the number of the descriptor next."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self.listener.close()
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def running(**options: int) -> Iterator[Proxy]:
    proxy = Proxy(**options)
    try:
        yield proxy
    finally:
        proxy.close()
