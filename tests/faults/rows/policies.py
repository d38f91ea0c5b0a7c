"""Rows: the policies of this side turn a call away, or stop it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faults.expected import Expected, answer, fine, late
from faults.fault import LONGER, SHORT, Area, row
from faults.occupied import permit_taken
from faults.scenes import Plays, Scene, in_memory, under

from resilient_client import Breaker, Bulkhead, Retry, RetryBudget, Timeouts
from resilient_client import FailureKind as K
from resilient_client.testing import steps

ALONE = {"bulkhead": Bulkhead(max_concurrent=1, max_waiting=0)}
REJECTED = dict.fromkeys(("GET", "POST"), (1, "rejected"))


@in_memory
@contextmanager
def isolated(world: Any) -> Iterator[Scene]:
    world.on("/fault", steps.text())
    callers: list[Any] = []

    def before(caller: Any) -> None:
        callers.append(caller)
        caller.breaker(world.url).isolate()

    def mend() -> None:
        callers.pop().breaker(world.url).close()

    yield Scene(f"{world.url}/fault", f"{world.url}/text", before=before, mend=mend)


AREA = Area(
    "Policies of this side",
    (
        row(
            "The circuit is open.",
            isolated,
            Expected(K.CIRCUIT_OPEN, sent=False, circuit="rejected", decisions=REJECTED),
        ),
        row(
            "The circuit opens with the first failure.",
            Plays(steps.status(503)),
            answer(503, decisions={"GET": (1, "rejected"), "POST": (1, "not_idempotent")}),
            policy={"breaker": Breaker(consecutive=1)},
        ),
        row(
            "No permit, and no room to wait.",
            permit_taken,
            Expected(K.BULKHEAD_FULL, sent=False, circuit="", decisions=REJECTED),
            policy=ALONE,
        ),
        row(
            "No permit within `max_wait`.",
            permit_taken,
            Expected(K.BULKHEAD_FULL, sent=False, circuit="", decisions=REJECTED, waits=SHORT),
            policy={"bulkhead": Bulkhead(max_concurrent=1, max_wait=SHORT)},
        ),
        row(
            "No permit before the deadline.",
            permit_taken,
            late(circuit="", sent=False, waits=LONGER),
            policy={"bulkhead": Bulkhead(max_concurrent=1)},
            timeouts=Timeouts(total=LONGER),
        ),
        row(
            "The time of a `deadline()` around the call is over already.",
            Plays(steps.text(), in_memory=False, act=under(1e-9)),
            late(circuit="", sent=False, waits=0),
        ),
        row(
            "The retry budget is empty.",
            Plays(steps.status(503)),
            answer(503, decisions={"GET": (1, "budget"), "POST": (1, "not_idempotent")}),
            policy={"retry": Retry(wait_initial=0, wait_max=0, budget=RetryBudget(ratio=0, burst=0, min_per_second=0))},
        ),
        row(
            "An open circuit of another origin.",
            Plays(steps.text(), before=lambda caller: caller.breaker("http://other.example").isolate()),
            fine(),
        ),
    ),
)
