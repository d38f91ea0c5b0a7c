"""One attempt: its time limits, clamped to what is left, and the one free re-send over a fresh connection."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol

from resilient_client.exchange import Limits, Outcome, WireRequest
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from resilient_client.pipeline.call import Call, Handler
    from resilient_client.policy import Policy

DEADLINE: Final = FailureKind.DEADLINE  # looking a member up in its enumeration costs more than all the rest here
ATTEMPT_TIMEOUT: Final = FailureKind.ATTEMPT_TIMEOUT

FULL_CHANCE: Final = 0.9
"""An attempt that had this share of its `attempt` timeout had its chance, even if the deadline ended it."""


class Send(Protocol):
    """Sends one attempt and reads its answer; `resilient_client.wire.delivery` over some wire."""

    def __call__(
        self, call: Call, request: WireRequest, limits: Limits, *, fresh: bool
    ) -> Coroutine[Any, Any, Outcome]:
        """Return how the attempt ended; never raises for anything the network does."""
        ...


def cut_short(call: Call, started: float) -> bool:
    """Return whether the deadline took a good part of the time an attempt begun at `started` should have had."""
    timeouts = call.policy.timeouts
    allowed = timeouts.attempt if timeouts.attempt is not None else timeouts.total
    return allowed is not None and call.deadline - started < FULL_CHANCE * allowed


def with_deadline_header(request: WireRequest, name: str | None, left: float) -> WireRequest:
    """Return `request`, telling the server how many milliseconds are left when the policy names a header for it."""
    if name is None or left == inf:
        return request
    field = name.encode("ascii")
    others = [pair for pair in request.headers if pair[0].lower() != field.lower()]
    headers = [*others, (field, b"%d" % max(0, int(left * 1000)))]
    return WireRequest(request.method, request.url, headers, request.body, request.auth, request.upgrade)


def attempt_layer(send: Send, policy: Policy, clock: Callable[[], float]) -> Handler:
    """Send within the limits. A reused connection found dead costs nobody anything: once more over a fresh one."""
    limits_of, header = limiting(policy, clock), policy.timeouts.header

    async def with_timeouts(call: Call) -> Outcome:
        started = call.now
        request = call.request
        if header is not None:
            request = with_deadline_header(request, header, call.deadline - started)
        outcome = await send(call, request, limits_of(call), fresh=False)
        call.now = clock()
        if outcome.stale and (call.repeatable or not outcome.sent) and call.request.body.replayable:
            started = call.now
            call.record(outcome, started)
            request = with_deadline_header(call.request, header, call.deadline - started)
            outcome = await send(call, request, limits_of(call), fresh=True)
            call.now = clock()
        if outcome.kind is DEADLINE:
            outcome.cut_short = outcome.cut_short or cut_short(call, started)
        return outcome

    return with_timeouts


def limiting(policy: Policy, clock: Callable[[], float]) -> Callable[[Call], Limits]:
    """Return what makes the limits of an attempt that begins now."""
    timeouts, public_only = policy.timeouts, not policy.allow_private
    attempt, connect, read, write = (
        inf if limit is None else float(limit)
        for limit in (timeouts.attempt, timeouts.connect, timeouts.read, timeouts.write)
    )

    def limits_of(call: Call) -> Limits:
        until, deadline = call.now + attempt, call.deadline
        stream_until = deadline if call.streaming or call.sink is not None else None
        if deadline <= until:
            return Limits(clock, deadline, DEADLINE, connect, read, write, public_only, stream_until)
        return Limits(clock, until, ATTEMPT_TIMEOUT, connect, read, write, public_only, stream_until)

    return limits_of
