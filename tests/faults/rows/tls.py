"""Rows: TLS."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from faults.expected import final, fine, late, seen, unsent
from faults.fault import LONGER, SHORT, Area, only, row
from faults.left_behind import connections, eventually
from faults.peers import OK, head_of, met_by, over_tls, read_on, reset
from faults.scenes import Plays, Scene, on_server, text_is

from resilient_client import FailureKind as K
from resilient_client import Timeouts
from resilient_client.testing import sockets, steps
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.script import Close, Raw

HALF = b"HTTP/1.1 200 OK\r\n\r\nhello"


def trusting(serve: Callable[[socket.socket], object], **scene: Any) -> Any:
    """The scene of a peer that a client would trust if it spoke good TLS."""
    return met_by(serve, scheme="https", options={"verify": CERTIFICATES.client_context()}, **scene)


def certificate(kind: str) -> Any:
    """A server whose certificate is of this kind; a good one is elsewhere."""
    served = on_server(Plays(steps.text()), tls=kind)

    @contextmanager
    def scene(world: Any) -> Iterator[Scene]:
        with served(world) as playing:
            playing.good = f"{world.url}/text"
            yield playing

    return scene


@contextmanager
def stalled(world: Any) -> Iterator[Scene]:
    with sockets.stalled_tls() as silent:
        url = f"https://localhost:{silent.port}/fault"
        yield Scene(url, f"{world.url}/text", {"verify": CERTIFICATES.client_context()})


def after_hello(then: Callable[[socket.socket], object]) -> Any:
    """A peer that reads the first message of the handshake and does this."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        then(connection)

    return trusting(serve)


def plain(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    with suppress(OSError):
        read_on(connection)


def limited_to(version: ssl.TLSVersion, *, client_certificate: bool = False) -> Callable[[], ssl.SSLContext]:
    """A server's context that knows no later version."""

    def make() -> ssl.SSLContext:
        context = CERTIFICATES._new_server_context("valid", False, client_certificate)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what this is about
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    return make


def garbage_in_body(connection: Any) -> None:
    head_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    with socket.socket(fileno=connection.detach()) as below:
        below.sendall(b"this is no record of TLS at all")
        read_on(below)


def answers(connection: Any) -> None:
    while head_of(connection):
        connection.sendall(OK)


def hung_up_on(world: Any) -> Any:
    """A server that refuses the client after the handshake, and is seen to have done so before the request goes out."""
    return trusting(over_tls(limited_to(ssl.TLSVersion.TLSv1_3, client_certificate=True), answers))(world)


def late_pieces() -> Iterator[bytes]:
    """A body whose first piece, which the head waits for, comes when the connection is over."""
    eventually(connections, lambda ours: all(one.over for one in ours))
    yield b"late"


CERTIFIED = final(K.TLS, sent=False, circuit="failure")
GOOD = limited_to(ssl.TLSVersion.TLSv1_3)

AREA = Area(
    "TLS",
    (
        row("The certificate is self-signed.", certificate("self-signed"), CERTIFIED),
        row("The certificate has expired.", certificate("expired"), CERTIFIED),
        row("The certificate is of another host.", certificate("wrong-host"), CERTIFIED),
        row(
            "The server speaks TLS 1.1 at most.",
            trusting(over_tls(limited_to(ssl.TLSVersion.TLSv1_1), answers)),
            CERTIFIED,
        ),
        row("The server does not speak TLS.", trusting(plain), CERTIFIED),
        row(
            "The server wants a client certificate, TLS 1.2: it ends the handshake.",
            trusting(over_tls(limited_to(ssl.TLSVersion.TLSv1_2, client_certificate=True), answers)),
            CERTIFIED,
        ),
        row(
            "The server wants a client certificate, TLS 1.3: it says so when the request may be on its way.",
            trusting(over_tls(limited_to(ssl.TLSVersion.TLSv1_3, client_certificate=True), answers)),
            final(K.TLS, sent=None, circuit="failure"),
        ),
        row(
            "The server wants a client certificate, TLS 1.3: it has hung up before the request is sent.",
            hung_up_on,
            CERTIFIED,
            call=lambda: {"content": late_pieces()},
            methods=("PUT", "POST"),
        ),
        row("The handshake is reset.", after_hello(reset), unsent(K.CONNECT)),
        row("The connection is closed in the handshake.", after_hello(lambda _: None), unsent(K.CONNECT)),
        row(
            "The handshake stalls: `connect`.",
            stalled,
            unsent(K.CONNECT_TIMEOUT, waits=SHORT),
            timeouts=only(connect=SHORT),
        ),
        row(
            "The handshake stalls: `total`.",
            stalled,
            late(circuit="failure", waits=LONGER, sent=False),
            timeouts=Timeouts(total=LONGER),
        ),
        row(
            "A body that ends with the connection, without a close_notify: perhaps cut by an attacker.",
            on_server(Plays(lambda _: (Raw(HALF), Close(notify=False))), tls="valid"),
            seen(K.TRUNCATED, status=200),
        ),
        row(
            "The same with a close_notify.",
            on_server(Plays(lambda _: (Raw(HALF), Close()), check=text_is("hello")), tls="valid"),
            fine(),
        ),
        row(
            "The connection is cut inside a body with a length.",
            on_server(Plays(steps.short_body()), tls="valid"),
            seen(K.TRUNCATED, status=200),
        ),
        row(
            "Bytes inside the body that are no TLS.",
            trusting(over_tls(GOOD, garbage_in_body)),
            seen(K.TRUNCATED, status=200),
        ),
    ),
)
