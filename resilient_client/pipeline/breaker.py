"""The circuit breaker: which circuit guards a call, what counts as a failure, and the layer that asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Literal

from resilient_client.events import CircuitCounted, Rejected, tell_those, wanting
from resilient_client.exchange import Outcome
from resilient_client.pipeline.circuit import Admission, Circuit, Rejection
from resilient_client.pipeline.circuits import Circuits
from resilient_client.result import FailureKind, StopReason

if TYPE_CHECKING:
    from resilient_client.pipeline.call import Call, Handler

CIRCUIT_OPEN: Final = FailureKind.CIRCUIT_OPEN  # looking a member up in its enumeration takes longer than one rejection
REJECTED: Final = StopReason.REJECTED

FAILURES: Final = frozenset(
    (
        *(FailureKind.DNS, FailureKind.CONNECT, FailureKind.TLS, FailureKind.CONNECT_TIMEOUT),
        *(FailureKind.READ_TIMEOUT, FailureKind.WRITE_TIMEOUT, FailureKind.ATTEMPT_TIMEOUT),
        *(FailureKind.RESET, FailureKind.TRUNCATED, FailureKind.PROTOCOL, FailureKind.SERVER_ERROR),
    )
)
"""What counts against the dependency."""

SAYS_NOTHING: Final = frozenset(
    (FailureKind.POOL_TIMEOUT, FailureKind.LOCAL, FailureKind.BLOCKED, FailureKind.BULKHEAD_FULL)
)
"""What happened on this side and tells nothing about the dependency."""


COUNTED_AS: Final[dict[bool | None, Literal["success", "failure", "ignored"]]] = {
    False: "success",
    True: "failure",
    None: "ignored",
}


def failed(outcome: Outcome) -> bool | None:
    """Return whether `outcome` is a failure of the dependency; None when it says nothing about it."""
    kind = outcome.kind
    if kind is None:
        return False
    if kind is FailureKind.DEADLINE:  # the caller ran out of time; the dependency only if it had its full chance
        return None if outcome.cut_short else True
    if kind is FailureKind.UNEXPECTED:
        return outcome.status is None
    return None if kind in SAYS_NOTHING else kind in FAILURES


def by_origin(call: Call) -> str:
    """Return the key of a circuit for each origin."""
    return call.request.url.origin


def by_route(call: Call) -> str:
    """Return the key of a circuit for each route, and for each origin of calls without one."""
    return call.request.url.origin if call.route is None else call.route


def by_client(call: Call) -> str:
    """Return the key of one circuit for all calls."""
    return call.client


KEYS: Final = {"origin": by_origin, "route": by_route, "client": by_client}
"""What tells the circuit that guards a call, by `Breaker.key`."""


def unless_shut(proceed: Handler, circuits: Circuits) -> Handler:
    """Find the call's circuit and turn the call away while that is open: nobody needs to queue for a refusal."""
    key_of = KEYS[circuits.settings.key]

    def past_breaker(call: Call) -> Coroutine[Any, Any, Outcome]:
        circuit = call.circuit = circuits.get(key_of(call), call.now)
        rejection = circuit.shut(call.now)
        return proceed(call) if rejection is None else _turned_away(call, circuit, rejection)

    return past_breaker


async def _turned_away(call: Call, circuit: Circuit, rejection: Rejection) -> Outcome:
    return _rejected(call, circuit, rejection)


def breaker_layer(proceed: Handler, clock: Callable[[], float]) -> Handler:
    """Ask the circuit before, tell it after; an attempt that is interrupted frees its place and says nothing."""

    async def through_breaker(call: Call) -> Outcome:
        circuit, started = call.circuit, call.now
        assert circuit is not None  # noqa: S101 - the layer above found it
        admission = circuit.admit(started)
        if isinstance(admission, Rejection):
            return _rejected(call, circuit, admission)
        outcome: Outcome | None = None
        try:
            outcome = await proceed(call)
            return outcome
        finally:
            begun = call.now if outcome is None or outcome.begun is None else outcome.begun
            took = begun - started  # up to the first bytes, for a body that may take its time
            if outcome is None or outcome.live is None:
                _record(call, circuit, admission, outcome, took, call.now)
            else:
                outcome.live.on_close(lambda over: _record(call, circuit, admission, over, took, clock()))

    return through_breaker


def _record(
    call: Call, circuit: Circuit, admission: Admission, outcome: Outcome | None, took: float, now: float
) -> None:
    verdict = None if outcome is None else failed(outcome)
    circuit.record(admission, verdict, took, now)
    if CircuitCounted in call.heard:
        call.tell(CircuitCounted(call.info, circuit.name, COUNTED_AS[verdict]))
    if verdict and outcome is not None:
        outcome.shut_for = circuit.shut_for(now)


def _rejected(call: Call, circuit: Circuit, rejection: Rejection) -> Outcome:
    call.stopped = REJECTED
    message, again = rejection
    if listeners := wanting(call.heard, Rejected, call.client, CIRCUIT_OPEN):
        tell_those(listeners, Rejected(call.info, CIRCUIT_OPEN, circuit.name, message, again))
    if CircuitCounted in call.heard:
        call.tell(CircuitCounted(call.info, circuit.name, "rejected"))
    outcome = Outcome(CIRCUIT_OPEN, message)
    outcome.sent, outcome.retry_after = False, again
    return outcome
