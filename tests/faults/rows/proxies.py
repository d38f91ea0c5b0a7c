"""Rows: proxies."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from faults.expected import answer, seen, unsent
from faults.fault import SHORT, Area, only, row
from faults.peers import head_of, peer, read_on, reset, serve_well
from faults.scenes import Scene

from resilient_client import FailureKind as K

FAR_AWAY = "far.example"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def proxied(serve: Callable[[socket.socket], object], *, scheme: str = "https", proxy: str = "http") -> Any:
    """The scene of a proxy that does this to every connection, until it is put right."""

    @contextmanager
    def scene(_: Any) -> Iterator[Scene]:
        with peer(serve) as hop:
            options = {"proxy": f"{proxy}://127.0.0.1:{hop.port}"}
            well = socks_well if proxy == "socks5" else serve_well
            yield Scene(
                f"{scheme}://{FAR_AWAY}/fault",
                f"http://{FAR_AWAY}/text",
                options,
                mend=lambda: setattr(hop, "serve", well),
            )

    return scene


@contextmanager
def gone(_: Any) -> Iterator[Scene]:
    """A proxy whose port refuses, until it listens."""
    with socket.socket() as held, ExitStack() as later:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]

        def mend() -> None:
            held.listen()
            later.enter_context(peer(serve_well, held))

        options = {"proxy": f"http://127.0.0.1:{port}"}
        yield Scene(f"http://{FAR_AWAY}/fault", f"http://{FAR_AWAY}/text", options, mend=mend)


def after_head(then: Callable[[socket.socket], object]) -> Callable[[socket.socket], object]:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        then(connection)

    return serve


def says(content: bytes) -> Callable[[socket.socket], object]:
    return after_head(lambda connection: connection.sendall(content))


def nothing(_: socket.socket) -> None:
    """Close it."""


def socks_says(greeting: bytes, reply: bytes = b"") -> Callable[[socket.socket], object]:
    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(greeting)
        if reply:
            connection.recv(300)
            connection.sendall(reply)
        read_on(connection)

    return serve


def socks_well(connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"\x05\x00")
    connection.recv(300)
    connection.sendall(b"\x05\x00\x00\x01\0\0\0\0\0\0")
    serve_well(connection)


LASTING = unsent(K.CONNECT, again=False)
"""The proxy would say the same again."""

REFUSED = b"\x05\x05\x00\x01\0\0\0\0\0\0"

AREA = Area(
    "Proxies",
    (
        row("The proxy refuses connections.", gone, unsent(K.CONNECT)),
        row(
            "The proxy hangs before the tunnel: `connect`.",
            proxied(read_on),
            unsent(K.CONNECT_TIMEOUT, waits=SHORT),
            timeouts=only(connect=SHORT),
        ),
        row(
            "The proxy hangs with a plain request: `read`.",
            proxied(read_on, scheme="http"),
            seen(K.READ_TIMEOUT, waits=SHORT),
            timeouts=only(read=SHORT),
        ),
        row("407 to the tunnel.", proxied(says(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n")), LASTING),
        row(
            "407 to a plain request.",
            proxied(says(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n"), scheme="http"),
            answer(407),
        ),
        row("502 to the tunnel.", proxied(says(b"HTTP/1.1 502 Down\r\nContent-Length: 0\r\n\r\n")), unsent(K.CONNECT)),
        row("The proxy closes before the tunnel.", proxied(after_head(nothing)), unsent(K.CONNECT)),
        row("The proxy resets before the tunnel.", proxied(after_head(reset)), unsent(K.CONNECT)),
        row("The proxy does not speak HTTP.", proxied(says(b"what?\r\n\r\n")), unsent(K.CONNECT)),
        row("The tunnel has bytes in it before it is used.", proxied(says(ESTABLISHED + b"hello")), unsent(K.CONNECT)),
        row(
            "The tunnel is closed in the TLS handshake.",
            proxied(after_head(lambda c: (c.sendall(ESTABLISHED), c.recv(9999)))),
            unsent(K.CONNECT),
        ),
        row(
            "The proxy dies inside the body.",
            proxied(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"), scheme="http"),
            seen(K.TRUNCATED, status=200),
        ),
        row(
            "SOCKS5: the proxy could not connect.",
            proxied(socks_says(b"\x05\x00", REFUSED), proxy="socks5", scheme="http"),
            unsent(K.CONNECT),
        ),
        row(
            "SOCKS5: the proxy wants a password.",
            proxied(socks_says(b"\x05\xff"), proxy="socks5", scheme="http"),
            LASTING,
        ),
        row(
            "SOCKS5: the proxy speaks something else.",
            proxied(socks_says(b"HTTP/1.1 400 Bad\r\n\r\n"), proxy="socks5", scheme="http"),
            unsent(K.CONNECT),
        ),
        row(
            "SOCKS5: the proxy hangs: `connect`.",
            proxied(read_on, proxy="socks5", scheme="http"),
            unsent(K.CONNECT_TIMEOUT, waits=SHORT),
            timeouts=only(connect=SHORT),
        ),
    ),
)
