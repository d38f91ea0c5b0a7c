"""One attempt: its time limits, clamped to what is left, and the one free re-send over a fresh connection."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from resilient_client.exchange import Limits, Outcome, WireRequest
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient_client.pipeline.call import Call, Handler

FULL_CHANCE: Final = 0.9
"""An attempt that had this share of its `attempt` timeout had its chance, even if the deadline ended it."""


class Send(Protocol):
    """Sends one attempt and reads its answer; `resilient_client.wire.delivery` over some wire."""

    async def __call__(self, call: Call, request: WireRequest, limits: Limits, *, fresh: bool) -> Outcome:
        """Return how the attempt ended; never raises for anything the network does."""
        ...


def limits_of(call: Call, clock: Callable[[], float]) -> Limits:
    """Return the limits of an attempt that begins now."""
    timeouts, now = call.policy.timeouts, clock()
    limits = Limits(clock)
    limits.attempt_until = inf if timeouts.attempt is None else now + timeouts.attempt
    if call.deadline <= limits.attempt_until:
        limits.attempt_until, limits.attempt_kind = call.deadline, FailureKind.DEADLINE
    limits.connect = inf if timeouts.connect is None else timeouts.connect
    limits.read = inf if timeouts.read is None else timeouts.read
    limits.write = inf if timeouts.write is None else timeouts.write
    limits.public_only = not call.policy.allow_private
    if call.streaming or call.sink is not None:
        limits.stream_until = call.deadline
    return limits


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


def attempt_layer(send: Send, clock: Callable[[], float]) -> Handler:
    """Send within the limits. A reused connection found dead costs nobody anything: once more over a fresh one."""

    async def with_timeouts(call: Call) -> Outcome:
        started = clock()
        outcome = await _send(call)
        if outcome.stale and (call.repeatable or not outcome.sent) and call.request.body.replayable:
            call.record(outcome, clock())
            started = clock()
            outcome = await _send(call, fresh=True)
        if outcome.kind is FailureKind.DEADLINE:
            outcome.cut_short = outcome.cut_short or cut_short(call, started)
        return outcome

    async def _send(call: Call, *, fresh: bool = False) -> Outcome:
        limits = limits_of(call, clock)
        header = call.policy.timeouts.header
        if header is None:
            return await send(call, call.request, limits, fresh=fresh)
        request = with_deadline_header(call.request, header, call.deadline - clock())
        return await send(call, request, limits, fresh=fresh)

    return with_timeouts
