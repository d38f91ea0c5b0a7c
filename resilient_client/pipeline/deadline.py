"""The deadline: one budget of time over queueing, connecting, attempts, backoff and body."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from resilient_client import ambient
from resilient_client.exchange import Outcome
from resilient_client.result import FailureKind, StopReason

if TYPE_CHECKING:
    from resilient_client.pipeline.call import Call, Handler


def deadline_layer(proceed: Handler, clock: Callable[[], float]) -> Handler:
    """Set the call's deadline: the smallest of its policy's `total`, the client's, and what the ambient one leaves."""

    async def with_deadline(call: Call) -> Outcome:
        total = call.policy.timeouts.total
        call.deadline = call.started + min(inf if total is None else total, call.at_most)
        around = ambient.left()
        begins = clock() if call.queued or around != inf else call.started
        call.deadline = min(call.deadline, begins + around)
        if call.deadline <= begins:
            call.stopped = StopReason.DEADLINE
            outcome = Outcome(FailureKind.DEADLINE, "the time was up before it began", sent=False, cut_short=True)
            call.record(outcome, clock())
            return outcome
        return await proceed(call)

    return with_deadline
