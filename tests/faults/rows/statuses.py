"""Rows: what servers say in good HTTP."""

from __future__ import annotations

from typing import Any

from faults.expected import answer, fine
from faults.fault import Area, Fault, row
from faults.scenes import Plays

from resilient_client.testing import steps

TOO_LONG = {"GET": (1, "retry_after_too_long"), "POST": (1, "not_idempotent")}
DATES = [("Date", "Wed, 01 Jan 2025 00:00:00 GMT"), ("Retry-After", "Wed, 01 Jan 2025 00:00:01 GMT")]


def says(code: int, *, again: bool = False, what: str = "", **expected: Any) -> Fault:
    """A row of an answer with a failing status."""
    return row(what or f"{code}.", Plays(steps.status(code)), answer(code, again=again, **expected))


def wishes(what: str, code: int, value: Any, **expected: Any) -> Fault:
    """A row of an answer with Retry-After."""
    return row(what, Plays(steps.retry_after(code, value)), answer(code, again=True, **expected))


def one_shot() -> dict[str, Any]:
    return {"content": iter([b"once"])}


AREA = Area(
    "Statuses",
    (
        says(400),
        says(401),
        says(404),
        row("404 that `expect=` lists.", Plays(steps.status(404)), fine(404), call=lambda: {"expect": {200, 404}}),
        says(408, again=True),
        says(409),
        says(425, again=True),
        says(429, again=True, what="429 without Retry-After; it was not taken, so that a POST is sent again, too."),
        row(
            "429 with Retry-After.",
            Plays(steps.status(429, headers=[("Retry-After-Ms", "100")])),
            answer(429, again=True, pause=0.1),
        ),
        wishes(
            "429 with a Retry-After of an hour.",
            429,
            3600,
            decisions=dict.fromkeys(("GET", "POST"), (1, "retry_after_too_long")),
        ),
        says(500, again=True),
        says(501),
        says(502, again=True),
        says(503, again=True, what="503 without Retry-After."),
        wishes("503 with a Retry-After of 0.1 s.", 503, 0.1, pause=0.1),
        row(
            "503 with a Retry-After that is a date, a second ahead of Date.",
            Plays(steps.status(503, headers=DATES), on_the_wire=False),
            answer(503, again=True, pause=1),
        ),
        wishes("503 with a Retry-After that is a date of the past.", 503, "Wed, 01 Jan 2025 00:00:00 GMT"),
        wishes("503 with a Retry-After that is garbage.", 503, "soon"),
        wishes("503 with a Retry-After of 400 digits.", 503, "9" * 400, decisions=TOO_LONG),
        wishes("503 with a Retry-After of an hour.", 503, 3600, decisions=TOO_LONG),
        says(504, again=True),
        says(505),
        row(
            "503, then a good answer.",
            Plays(steps.status(503), then=steps.text()),
            fine(attempts=2, circuit="failure, success"),
            methods=("GET",),
        ),
        row(
            "503 to a POST with an idempotency key.",
            Plays(steps.status(503)),
            answer(503, again=True, decisions={"POST": (2, "max_attempts")}),
            call=lambda: {"idempotency_key": True},
            methods=("POST",),
        ),
        row(
            "503 to a body from an iterator.",
            Plays(steps.status(503)),
            answer(503, again=True, decisions={"PUT": (1, "body_not_replayable")}),
            call=one_shot,
            methods=("PUT", "POST"),
        ),
    ),
)
