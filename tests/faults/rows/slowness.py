"""Rows: servers that take their time."""

from __future__ import annotations

from typing import Any

from faults.expected import final, late, seen
from faults.fault import LONGER, SHORT, Area, only, row
from faults.scenes import Plays, under

from resilient_client import FailureKind as K
from resilient_client import Timeouts
from resilient_client.testing import steps
from resilient_client.testing.script import Data, End, Head, Pause

ATTEMPT, TOTAL = only(attempt=LONGER), Timeouts(total=LONGER)


def pause_in_body(_: Any) -> Any:
    return Head(200, (("Content-Length", "2"),)), Data(b"o"), Pause(30), Data(b"k"), End()


AREA = Area(
    "Slowness",
    (
        row(
            "It never answers: `read`.",
            Plays(steps.hang()),
            seen(K.READ_TIMEOUT, waits=SHORT),
            timeouts=only(read=SHORT),
        ),
        row(
            "It never answers: `attempt`.", Plays(steps.hang()), seen(K.ATTEMPT_TIMEOUT, waits=LONGER), timeouts=ATTEMPT
        ),
        row(
            "It never answers: `total`, all of which one attempt had.",
            Plays(steps.hang()),
            late(circuit="failure", waits=LONGER),
            timeouts=TOTAL,
        ),
        row(
            "It never answers: a `deadline()` around the call, far shorter than `attempt`.",
            Plays(steps.hang(), in_memory=False, act=under(LONGER)),
            late(circuit="ignored", waits=LONGER),
        ),
        row(
            "The head drips, no silence as long as `read`: `attempt`.",
            Plays(steps.drip_head(5, pieces=200)),
            seen(K.ATTEMPT_TIMEOUT, waits=LONGER),
            timeouts=ATTEMPT,
        ),
        row(
            "The head drips: `total`.",
            Plays(steps.drip_head(5, pieces=200)),
            late(circuit="failure", waits=LONGER),
            timeouts=TOTAL,
        ),
        row(
            "The body drips: `attempt`.",
            Plays(steps.drip_body(5, pieces=200)),
            seen(K.ATTEMPT_TIMEOUT, waits=LONGER, status=200),
            timeouts=ATTEMPT,
        ),
        row(
            "The body drips: `total`.",
            Plays(steps.drip_body(5, pieces=200)),
            late(circuit="failure", waits=LONGER, status=200),
            timeouts=TOTAL,
        ),
        row(
            "A pause in the middle of the body: `read`.",
            Plays(pause_in_body),
            seen(K.READ_TIMEOUT, waits=LONGER, status=200),
            timeouts=only(read=LONGER),
        ),
        row(
            "The answer is good and comes after the deadline.",
            Plays(steps.ok(after=30)),
            late(circuit="failure", waits=LONGER),
            timeouts=TOTAL,
        ),
        row(
            "A slow 503; the deadline ends the second attempt half-way.",
            Plays(steps.status(503, after=0.75), on_the_wire=False),
            late(circuit="failure, ignored", waits=0.5, attempts=2),
            timeouts=Timeouts(total=1),
            methods=("GET",),
        ),
        row(
            "The body never ends, and comes slowly: `attempt`.",
            Plays(steps.endless_body(piece=b"x", every=0.01)),
            seen(K.ATTEMPT_TIMEOUT, waits=LONGER, status=200),
            timeouts=ATTEMPT,
        ),
        row(
            "The body never ends, and comes fast: `max_body`.",
            Plays(steps.endless_body()),
            final(K.TOO_LARGE, status=200),
            policy={"max_body": 1_000_000},
        ),
    ),
)
