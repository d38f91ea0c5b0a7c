"""Rows: HTTP/2, which only `AsyncClient(http2=True)` speaks."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any

from faults.expected import Expected, final, fine, seen, unsent
from faults.fault import SHORT, Area, Fault, only
from faults.fault import row as any_row
from faults.http2_peer import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    OK,
    PUSH_PROMISE,
    SETTINGS,
    frame,
    sends,
    talks,
)
from faults.scenes import Plays, nothing, on_server

from resilient_client import FailureKind as K
from resilient_client.testing import steps
from resilient_client.testing.script import Data, End, Head

INITIAL_WINDOW_SIZE = 4
NO_WINDOW = frame(SETTINGS, payload=struct.pack(">HI", INITIAL_WINDOW_SIZE, 0))

row = partial(any_row, http2=True)


def plays(*steps: Any, **scene: Any) -> Any:
    """A script on a server that speaks HTTP/2."""
    return on_server(Plays(*steps, options={"http2": True}, **scene), http2=True)


def says(what: str, make: Any, expected: Expected | None = None) -> Fault:
    """A row of frames that no library would send."""
    return row(what, talks(sends(make)), expected or seen(K.PROTOCOL))


AREA = Area(
    "HTTP/2",
    (
        row(
            "GOAWAY before the request was taken, then a good server.",
            plays(steps.goaway(), then=steps.text()),
            fine(attempts=2, circuit="failure, success"),
        ),
        row("GOAWAY before the request was taken, each time.", plays(steps.goaway()), unsent(K.RESET)),
        row("The server refuses the stream.", plays(steps.refused_stream()), unsent(K.RESET)),
        row("The server resets the stream.", plays(steps.reset()), seen(K.RESET)),
        row(
            "The server resets the stream inside the body.", plays(steps.reset_in_body()), seen(K.TRUNCATED, status=200)
        ),
        row("The connection is closed without an answer.", plays(steps.close()), seen(K.RESET)),
        row("The connection is closed inside the body.", plays(steps.short_body()), seen(K.TRUNCATED, status=200)),
        row(
            "The stream ends before Content-Length.",
            plays(lambda _: (Head(200, (("Content-Length", "9"),)), Data(b"short"), End())),
            seen(K.PROTOCOL),
        ),
        row(
            "The connection falls silent: `read`, then a new connection.",
            plays(steps.hang()),
            seen(K.READ_TIMEOUT, waits=SHORT),
            timeouts=only(read=SHORT),
        ),
        row(
            "The server never says its settings: `connect`.",
            talks(nothing, greeting=b""),
            unsent(K.CONNECT_TIMEOUT, waits=SHORT),
            timeouts=only(connect=SHORT),
        ),
        row(
            "The server speaks HTTP/1.1 after all.",
            talks(nothing, greeting=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            unsent(K.PROTOCOL),
        ),
        row(
            "An answer without `:status`.",
            plays(lambda _: (Head(0, (("x-odd", "1"),)), Data(b"x"), End())),
            seen(K.PROTOCOL),
        ),
        row(
            "A head of 200 kB.",
            plays(lambda _: (Head(200, tuple((f"x-{n}", "x" * 1000) for n in range(200))), End())),
            final(K.TOO_LARGE),
        ),
        says("A head that HPACK cannot read.", lambda stream: frame(HEADERS, END_HEADERS, stream, b"\xff" * 20)),
        says("A body without a head.", lambda stream: frame(DATA, END_STREAM, stream, b"ok")),
        says(
            "A frame of 16 MB.",
            lambda stream: frame(HEADERS, END_HEADERS, stream, OK) + frame(DATA, 0, stream, claims=2**24 - 1),
            seen(K.PROTOCOL),
        ),
        says(
            "A head in a thousand frames.",
            lambda stream: frame(HEADERS, 0, stream, OK) + frame(CONTINUATION, 0, stream) * 1000,
        ),
        says(
            "A push that was declined.",
            lambda stream: frame(PUSH_PROMISE, END_HEADERS, stream, struct.pack(">I", 2) + OK),
        ),
        says("Ten thousand SETTINGS.", lambda _: frame(SETTINGS) * 10_000),
        row(
            "The window for the request body never opens: `write`.",
            talks(nothing, greeting=NO_WINDOW),
            seen(K.WRITE_TIMEOUT, waits=SHORT),
            timeouts=only(write=SHORT),
            call=lambda: {"content": b"body"},
            methods=("PUT", "POST"),
        ),
    ),
)
