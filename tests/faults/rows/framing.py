"""Rows: where a body ends, and what comes behind it."""

from __future__ import annotations

from typing import Any

from faults.expected import fine, seen
from faults.fault import Area, row
from faults.scenes import Plays, text_is

from resilient_client import FailureKind as K
from resilient_client.testing import steps
from resilient_client.testing.script import Close, End, Raw, Reset

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(content: bytes, then: Any = None, **scene: Any) -> Plays:
    """A far side that sends a chunked body as it is, then closes."""
    return Plays(lambda _: (Raw(CHUNKED + content), then or Close()), **scene)


def sends(content: bytes, **scene: Any) -> Plays:
    """A far side that sends these bytes and leaves the connection open."""
    return Plays(lambda _: (Raw(content), End()), **scene)


EMPTY, HELLO = {"check": text_is("")}, {"check": text_is("hello")}

AREA = Area(
    "Framing",
    (
        row("The body is shorter than Content-Length.", Plays(steps.short_body()), seen(K.TRUNCATED, status=200)),
        row("The connection is reset inside the body.", Plays(steps.reset_in_body()), seen(K.TRUNCATED, status=200)),
        row("The size of a chunk is no number.", Plays(steps.bad_chunk()), seen(K.PROTOCOL, status=200)),
        row("The size of a chunk has 40 digits.", chunks(b"f" * 40 + b"\r\nx"), seen(K.PROTOCOL, status=200)),
        row("A chunk is longer than its size.", chunks(b"2\r\nhello\r\n0\r\n\r\n"), seen(K.PROTOCOL, status=200)),
        row("The connection is closed inside a chunk.", Plays(steps.cut_chunk()), seen(K.TRUNCATED, status=200)),
        row("The last chunk never comes.", Plays(steps.no_last_chunk()), seen(K.TRUNCATED, status=200)),
        row(
            "The connection is reset before the last chunk.",
            chunks(b"5\r\nhello\r\n", Reset()),
            seen(K.TRUNCATED, status=200),
        ),
        row(
            "Extensions of chunks, and trailers.",
            chunks(b"5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", End(), **HELLO),
            fine(),
        ),
        row(
            "No length: the body ends with the connection.",
            Plays(lambda _: (Raw(b"HTTP/1.1 200 OK\r\n\r\nhello"), Close()), **HELLO),
            fine(),
        ),
        row(
            "Bytes behind the answer; they do not reach the next caller.",
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", **HELLO),
            fine(),
        ),
        row(
            "A second answer behind the first; it does not reach the next caller.", Plays(steps.second_answer()), fine()
        ),
        row(
            "A 204 with a body.",
            sends(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", **EMPTY),
            fine(204),
        ),
        row(
            "A 304 with a body.",
            sends(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", **EMPTY),
            fine(304),
        ),
        row(
            "An answer to HEAD with a body.",
            sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", **EMPTY),
            fine(),
            methods=("HEAD",),
        ),
    ),
)
