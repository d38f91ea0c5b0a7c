"""Rows: bodies that are read piece by piece. Once its reader has begun, nothing is sent again."""

from __future__ import annotations

from functools import partial
from typing import Any

from faults.expected import final, fine, late, seen
from faults.fault import LONGER, Area, only, row
from faults.rows.slowness import pause_in_body
from faults.scenes import Plays, stream

from resilient_client import FailureKind as K
from resilient_client import Timeouts
from resilient_client.testing import steps
from resilient_client.testing.script import Close, Head, Pause, Reset

TEN = Head(200, (("Content-Length", "10"),))


def read(*steps: Any, **scene: Any) -> Plays:
    """A far side whose answer is read as a stream."""
    return Plays(*steps, act=stream, **scene)


ENDED = {"circuit": "failure", "status": 200}

AREA = Area(
    "Streams",
    (
        row(
            "The connection is closed before the first byte of the body.",
            read(lambda _: (TEN, Close())),
            seen(K.TRUNCATED, status=200),
        ),
        row(
            "The connection is reset before the first byte of the body.",
            read(lambda _: (TEN, Reset())),
            seen(K.TRUNCATED, status=200),
        ),
        row(
            "The first byte of the body does not come: `read`.",
            read(lambda _: (TEN, Pause(30))),
            seen(K.READ_TIMEOUT, status=200, waits=LONGER),
            timeouts=only(read=LONGER),
        ),
        row(
            "503, then a stream.",
            read(steps.status(503), then=steps.text()),
            fine(attempts=2, circuit="failure, success"),
            methods=("GET",),
        ),
        row("The connection is closed in mid-stream.", read(steps.short_body()), final(K.TRUNCATED, **ENDED)),
        row("The connection is reset in mid-stream.", read(steps.reset_in_body()), final(K.TRUNCATED, **ENDED)),
        row("A bad chunk in mid-stream.", read(steps.bad_chunk()), final(K.PROTOCOL, **ENDED)),
        row("A gzip coding that stops in mid-stream.", read(steps.cut_gzip()), final(K.DECODE, status=200)),
        row(
            "A pause in mid-stream: `read`.",
            read(pause_in_body),
            final(K.READ_TIMEOUT, **ENDED, waits=LONGER),
            timeouts=only(read=LONGER),
        ),
        row(
            "A stream without end: `total`. It was sending, so the circuit is not told.",
            read(steps.endless_body(piece=b"x", every=0.01)),
            late(circuit="ignored", waits=LONGER, status=200),
            timeouts=Timeouts(total=LONGER),
        ),
        row(
            "A stream without end: `max_body`.",
            read(steps.endless_body()),
            final(K.TOO_LARGE, status=200),
            policy={"max_body": 1_000_000},
        ),
        row(
            "The reader leaves early.",
            Plays(steps.endless_body(piece=b"x", every=0.01), act=partial(stream, upto=1)),
            fine(waits=0.01),
        ),
    ),
)
