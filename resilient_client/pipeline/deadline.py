"""The deadline: one budget of time over queueing, connecting, attempts, backoff and body."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from math import inf
from typing import TYPE_CHECKING, Any

from resilient_client import ambient
from resilient_client.exchange import Outcome
from resilient_client.result import FailureKind, StopReason

if TYPE_CHECKING:
    from resilient_client.pipeline.call import Call, Handler


def deadline_layer(proceed: Handler, total: float | None, clock: Callable[[], float]) -> Handler:
    """Set the call's deadline: the smallest of its policy's `total`, the client's, and what the ambient one leaves."""
    most = inf if total is None else float(total)

    def with_deadline(call: Call) -> Coroutine[Any, Any, Outcome]:
        call.deadline = call.started + most
        if call.at_most < most:
            call.deadline = call.started + call.at_most
        if ambient.ends.get() is not None:
            call.now = clock()
            call.deadline = min(call.deadline, call.now + ambient.left())
        if call.deadline <= call.now:
            return _too_late(call)
        return proceed(call)

    return with_deadline


async def _too_late(call: Call) -> Outcome:
    call.stopped = StopReason.DEADLINE
    outcome = Outcome(FailureKind.DEADLINE, "the time was up before it began", sent=False, cut_short=True)
    call.record(outcome, call.now)
    return outcome
