"""The circuit breaker: which circuit guards a call, what counts as a failure, and the layer that asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from resilient_client.events import CircuitCounted, Rejected
from resilient_client.exchange import Outcome
from resilient_client.pipeline.circuit import Admission, Circuit, Rejection
from resilient_client.pipeline.circuits import Circuits
from resilient_client.result import FailureKind, StopReason

if TYPE_CHECKING:
    from resilient_client.pipeline.call import Call, Handler

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


def key_of(call: Call, kind: str) -> str:
    """Return the key of the circuit that guards `call`."""
    if kind == "client":
        return call.client
    if kind == "route" and call.route is not None:
        return call.route
    return call.request.url.origin


def breaker_layer(proceed: Handler, circuits: Circuits, clock: Callable[[], float]) -> Handler:
    """Ask the circuit before, tell it after; an attempt that is interrupted frees its place and says nothing."""
    kind = circuits.settings.key

    async def through_breaker(call: Call) -> Outcome:
        circuit = circuits.get(key_of(call, kind))
        started = clock()
        admission = circuit.admit(started)
        if isinstance(admission, Rejection):
            call.stopped = StopReason.REJECTED
            _tell_rejection(call, circuit.name, admission)
            return Outcome(FailureKind.CIRCUIT_OPEN, admission.message, sent=False, retry_after=admission.retry_after)
        outcome: Outcome | None = None
        try:
            outcome = await proceed(call)
            return outcome
        finally:
            now = clock()
            begun = now if outcome is None or outcome.begun is None else outcome.begun
            took = begun - started  # up to the first bytes, for a body that may take its time
            if outcome is None or outcome.live is None:
                _record(call, circuit, admission, outcome, took, now)
            else:
                outcome.live.on_close(lambda over: _record(call, circuit, admission, over, took, clock()))

    def _record(
        call: Call, circuit: Circuit, admission: Admission, outcome: Outcome | None, took: float, now: float
    ) -> None:
        verdict = None if outcome is None else failed(outcome)
        circuit.record(admission, verdict, took, now)
        if CircuitCounted in call.heard:
            call.tell(CircuitCounted(call.info, circuit.name, COUNTED_AS[verdict]))
        if outcome is not None and verdict:
            outcome.shut_for = circuit.shut_for(now)

    return through_breaker


def _tell_rejection(call: Call, name: str, rejection: Rejection) -> None:
    if Rejected in call.heard:
        kind = FailureKind.CIRCUIT_OPEN
        call.tell(Rejected(call.info, kind, name, rejection.message, rejection.retry_after))
    if CircuitCounted in call.heard:
        call.tell(CircuitCounted(call.info, name, "rejected"))
