"""Retry: decide whether to send again, and when. The kernel only decides; the layer only waits and sends.

tenacity is the vocabulary: its wait, stop and retry strategies are asked through a `RetryCallState`; its engine,
whose state is per thread and which knows neither deadline nor budget, is not run.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, Final, cast

from resilient_client.events import RetryScheduled
from resilient_client.live import when_over
from resilient_client.pipeline.call import result_of
from resilient_client.result import FailureKind, StopReason

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from resilient_client.backends import Backend
    from resilient_client.exchange import Outcome
    from resilient_client.pipeline.budget import Budget
    from resilient_client.pipeline.call import Call, Handler
    from resilient_client.policy import Retry

TRANSIENT_KINDS: Final = frozenset(
    (
        *(FailureKind.DNS, FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.READ_TIMEOUT),
        *(FailureKind.WRITE_TIMEOUT, FailureKind.ATTEMPT_TIMEOUT, FailureKind.RESET),
        *(FailureKind.TRUNCATED, FailureKind.PROTOCOL),
    )
)
BY_STATUS: Final = frozenset((FailureKind.CLIENT_ERROR, FailureKind.THROTTLED, FailureKind.SERVER_ERROR))
TRANSIENT_STATUSES: Final = frozenset((408, 425, 429, 500, 502, 503, 504))

THROTTLED_INITIAL: Final = 1.0
"""Seconds the backoff starts at after a server said it has too much to do."""

REJECTIONS: Final = frozenset((FailureKind.CIRCUIT_OPEN, FailureKind.BULKHEAD_FULL))

ENDINGS: Final[dict[FailureKind | None, StopReason]] = {
    FailureKind.DEADLINE: StopReason.DEADLINE,
    FailureKind.BLOCKED: StopReason.NOT_RETRYABLE,  # whatever a strategy thinks of it
    FailureKind.CIRCUIT_OPEN: StopReason.REJECTED,
    FailureKind.BULKHEAD_FULL: StopReason.REJECTED,
}


def transient(outcome: Outcome) -> bool:
    """Return whether the same request could succeed a moment later."""
    if outcome.kind in BY_STATUS:
        return outcome.status in TRANSIENT_STATUSES
    return outcome.kind in TRANSIENT_KINDS and not outcome.lasting


def unsafe(call: Call, outcome: Outcome) -> StopReason | None:
    """Return why sending `call` again could do harm, or None when it cannot."""
    if not (call.repeatable or not outcome.sent or outcome.status == 429):
        return StopReason.NOT_IDEMPOTENT
    if not call.request.body.replayable:
        return StopReason.BODY_NOT_REPLAYABLE
    return None


def backoff(settings: Retry, number: int, random: float, *, throttled: bool = False) -> float:
    """Return the wait before retry `number` (from 1), `random` being uniform in [0, 1)."""
    initial = max(settings.wait_initial, THROTTLED_INITIAL) if throttled else settings.wait_initial
    try:
        bound = min(settings.wait_max, initial * settings.factor ** (number - 1))
    except OverflowError:
        bound = settings.wait_max
    return bound * random if settings.jitter == "full" else bound


class Decider:
    """The kernel of one call's retries: asked after each attempt, answers with a wait or why it stops."""

    __slots__ = ("_budget", "_call", "_random", "_settings", "_slept", "taken", "tries")

    def __init__(self, settings: Retry, call: Call, budget: Budget | None, random: Callable[[], float]) -> None:
        self._settings = settings
        self._call = call
        self._budget = budget
        self._random = random
        self._slept = 0.0
        self.tries = 0
        self.taken = 0

    def next(self, outcome: Outcome, now: float) -> float | StopReason:
        """Return the seconds to wait before the next attempt, which is paid for then, or why there is none."""
        wait = self._decide(outcome, now)
        if self._budget is None or isinstance(wait, StopReason):
            return wait
        if not self._budget.take(now):
            return StopReason.BUDGET
        self.taken += 1
        return wait

    def settle(self, outcome: Outcome | None, now: float) -> None:
        """Give back what was taken by a call that succeeded in the end."""
        if self.taken and self._budget is not None and outcome is not None and outcome.kind is None:
            self._budget.give_back(self.taken, now)

    def _decide(self, outcome: Outcome, now: float) -> float | StopReason:
        self.tries += 1
        settings, call = self._settings, self._call
        state = self._tenacity_state(outcome, now) if settings.retry or settings.stop or settings.wait else None
        again = settings.retry(state) if settings.retry and state else transient(outcome)
        if not again:
            return StopReason.NOT_RETRYABLE
        if (reason := unsafe(call, outcome)) is not None:
            return reason
        wait = self._backoff(outcome, state)
        if settings.stop(state) if settings.stop and state else self.tries >= settings.max_attempts:
            return StopReason.MAX_ATTEMPTS
        fitted = self._fit(wait, outcome.retry_after, call.deadline - now)
        if not isinstance(fitted, StopReason) and fitted < outcome.shut_for:
            if outcome.shut_for < inf:  # else nobody knows: it is isolated
                outcome.retry_after = outcome.shut_for  # a server that asked for longer would have been waited for
            return StopReason.REJECTED  # the circuit opened on this failure: the next attempt would meet it
        return fitted

    def _backoff(self, outcome: Outcome, state: RetryCallState | None) -> float:
        settings = self._settings
        if settings.wait and state:
            wait: float = max(0.0, settings.wait(state))
            state.upcoming_sleep = wait
            return wait
        throttled = outcome.status == 429 or (outcome.status == 503 and "retry-after" not in (outcome.headers or ()))
        return backoff(settings, self.tries, self._random(), throttled=throttled)

    def _fit(self, wait: float, floor: float | None, left: float) -> float | StopReason:
        """Put the backoff on top of what the server asked for, so that callers told the same second spread out."""
        if floor is not None:
            if floor > self._settings.max_retry_after or floor >= left:
                return StopReason.RETRY_AFTER_TOO_LONG
            wait = floor + wait if floor + wait < left else floor
        if not wait < left:
            return StopReason.DEADLINE
        self._slept += wait
        return wait

    def _tenacity_state(self, outcome: Outcome, now: float) -> RetryCallState:
        from tenacity import Future, RetryCallState  # noqa: PLC0415 - only for those who gave a strategy of it

        state = RetryCallState(cast("Any", None), None, (), {})  # there is no engine
        state.start_time = self._call.started
        state.attempt_number = self.tries
        state.outcome = Future.construct(self.tries, result_of(self._call, outcome, now), has_exception=False)
        state.outcome_timestamp = now
        state.idle_for = self._slept
        return state


def retry_layer(proceed: Handler, settings: Retry, budget: Budget | None, backend: Backend) -> Handler:
    """Try until an answer, or until the kernel says stop; each attempt passes every layer below anew."""
    clock, any_answer_will_do = backend.now, settings.retry is None

    async def with_retry(call: Call) -> Outcome:
        outcome = await proceed(call)
        call.record(outcome, call.now)
        if budget is not None and outcome.kind not in REJECTIONS:  # a call turned away here is no load to add to
            budget.deposit(call.now)
        decider: Decider | None = None
        while outcome.kind is not None or not any_answer_will_do:
            if outcome.kind in ENDINGS:
                call.stopped = ENDINGS[outcome.kind]
                break
            decider = decider or Decider(settings, call, budget, backend.random)
            wait = decider.next(outcome, call.now)
            if isinstance(wait, StopReason):
                call.stopped = wait
                break
            await _pause(call, outcome, wait)
            outcome = await proceed(call)
            call.record(outcome, call.now)
        if decider is not None or outcome.live is not None:
            when_over(outcome, lambda over: _settle(call, decider, outcome, over, clock()))
        return outcome

    async def _pause(call: Call, outcome: Outcome, wait: float) -> None:
        if outcome.live is not None:  # a strategy of the caller's does not like an answer that others would
            outcome.live.on_close(lambda over: call.amend(over, clock()))
            outcome.live.close()
        if RetryScheduled in call.heard:
            call.info.retries += 1
            call.tell(RetryScheduled(call.info, call.attempts[-1], wait))
        await backend.sleep(wait)
        call.waited(clock())

    return with_retry


def _settle(call: Call, decider: Decider | None, attempt: Outcome, over: Outcome | None, now: float) -> None:
    """Settle with the budget; and note when and how a body ended that was open when its attempt was recorded."""
    if decider is not None:
        decider.settle(over, now)
    if attempt.live is None:
        return
    call.amend(over, now)
    if over is not None and over.kind is FailureKind.DEADLINE:
        call.stopped = StopReason.DEADLINE
