"""A far side that speaks HTTP/2 frame by frame, for what no library would say."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from faults.peers import over_tls, peer
from faults.scenes import Scene

from resilient_client.testing.certificates import CERTIFICATES

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, CONTINUATION = 0, 1, 3, 4, 5, 9
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
OK: Final = b"\x88"
"""`:status: 200`, as HPACK's static table has it."""

Answer = Callable[[Any, int], object]
"""Answers one request: the connection, and the number of its stream."""


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", *, claims: int | None = None) -> bytes:
    """The bytes of a frame, which `claims` another length than it has."""
    length = len(payload) if claims is None else claims
    return struct.pack(">I", length)[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def answer_well(connection: Any, stream: int) -> None:
    """Answer 200 with `ok`."""
    connection.sendall(frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, END_STREAM, stream, b"ok"))


def sends(make: Callable[[int], bytes]) -> Answer:
    """Answer with the frames that are made for the stream."""
    return lambda connection, stream: connection.sendall(make(stream))


def _exactly(connection: Any, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            raise ConnectionError("the client left")
        found += piece
    return found


def speaking(answer: Answer, greeting: bytes) -> Callable[[Any], None]:
    """Serve a connection: greet, then answer each request when its head has come."""

    def serve(connection: Any) -> None:
        _exactly(connection, len(PREFACE))
        connection.sendall(greeting)
        while True:
            head = _exactly(connection, 9)
            _exactly(connection, int.from_bytes(head[:3], "big"))
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK))
            elif kind == HEADERS:
                answer(connection, stream)

    return serve


def talks(answer: Answer, *, greeting: bytes = frame(SETTINGS)) -> Any:
    """The scene of such a far side: requests are answered like this until it is put right."""
    context = CERTIFICATES.server_context("valid", http2=True, client_certificate=False)

    @contextmanager
    def scene(_: Any) -> Iterator[Scene]:
        answers = [answer]

        def answering(connection: Any, stream: int) -> object:
            return answers[0](connection, stream)

        serve = over_tls(lambda: context, speaking(answering, greeting))
        well = over_tls(lambda: context, speaking(answer_well, frame(SETTINGS)))
        with peer(serve) as running:

            def mend() -> None:
                answers[0] = answer_well
                running.serve = well

            url = f"https://localhost:{running.port}"
            options = {"verify": CERTIFICATES.client_context(), "http2": True}
            yield Scene(f"{url}/fault", f"{url}/text", options, mend=mend)

    return scene
