"""Tell a result as text: one line for a log, a timeline for an incident channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from resilient_client.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resilient_client.result import Attempt, Failure, Success

REASONS: Final = {
    "not_retryable": "sending it again could not help",
    "not_idempotent": "the server may have acted on it, and without an idempotency key it is not sent twice",
    "body_not_replayable": "the request body was read from an iterator and cannot be sent again",
    "max_attempts": "the policy allows no more attempts",
    "deadline": "no time was left to wait and try again",
    "budget": "the retry budget is empty: retries are not helping",
    "retry_after_too_long": "the server asked for a longer pause than this call may take",
    "rejected": "it was rejected here, before anything was sent",
}
"""What each StopReason means, for a reader in a hurry."""

REJECTIONS: Final = frozenset(("circuit_open", "bulkhead_full"))
BROKEN_OFF: Final = frozenset(("reset", "truncated", "read_timeout", "protocol"))
"""Kinds that a call is repeated for, unless a part of the answer was handed on."""


def _reason(failure: Failure) -> str:
    if failure.stopped == "not_retryable" and failure.kind in BROKEN_OFF and failure.attempts[-1].status is not None:
        return "its answer had begun to be read, and is not asked for a second time"
    if failure.stopped != "rejected" or not (failure.sent or any(one.status for one in failure.attempts)):
        return REASONS[failure.stopped]
    if failure.kind in REJECTIONS:
        return "it was rejected here, after an earlier attempt had been sent"
    return "the circuit is open now and would reject the next attempt here"


def seconds(value: float) -> str:
    """Return a duration for people: `85 ms`, `1.250 s`."""
    return f"{value * 1000:.3g} ms" if 0 < value < 0.9995 else f"{value:.3f} s"


def _status(status: int) -> str:
    from http import HTTPStatus  # noqa: PLC0415 - an enum of sixty members, for those who read a timeline

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _count(attempts: int) -> str:
    return f"{attempts} attempt{'' if attempts == 1 else 's'}"


def summary(failure: Failure) -> str:
    """Return `GET https://... failed: server_error (503 ...), 3 attempts in 1.2 s, stopped: max_attempts`."""
    return (
        f"{failure.method} {redact_url(failure.url)} failed: {failure.kind} ({failure.message}), "
        f"{_count(len(failure.attempts))} in {seconds(failure.elapsed)}, stopped: {failure.stopped}"
    )


def _attempt_line(attempt: Attempt) -> str:
    outcome = " ".join(part for part in (_status(attempt.status) if attempt.status else "", attempt.kind or "") if part)
    notes = [f"in {seconds(attempt.elapsed)}"]
    if attempt.queued > 0:
        notes.append(f"{seconds(attempt.queued)} of it waiting for a permit")
    if attempt.reused:
        notes.append("reused connection")
    return f"  +{attempt.started:7.3f} s  attempt {attempt.number}: {outcome} {', '.join(notes)}"


def _lines(result: Success[Any] | Failure) -> Iterator[str]:
    if result:
        yield (
            f"{result.method} {redact_url(result.url)} succeeded: {_status(result.status)}, "
            f"{_count(len(result.attempts))} in {seconds(result.elapsed)}"
        )
    else:
        yield f"{result.method} {redact_url(result.url)} failed: {result.kind}, {result.message}"
    for attempt in result.attempts:
        yield _attempt_line(attempt)
        if attempt.wait > 0:
            yield f"  +{attempt.started + attempt.elapsed:7.3f} s  waited {seconds(attempt.wait)}"
    if not result:
        yield f"  +{result.elapsed:7.3f} s  stopped: {result.stopped} ({_reason(result)})"
        yield f"  the server {_seen(result)}"
        if result.retry_after is not None:
            yield f"  worth trying again in {seconds(result.retry_after)}"


def _seen(failure: Failure) -> str:
    if any(attempt.status is not None for attempt in failure.attempts):
        return "has answered"
    return "may have seen it" if failure.sent else "has not seen it"


def explain(result: Success[Any] | Failure) -> str:
    """Return the timeline of `result`: attempts, waits, and for a failure why it stopped."""
    return "\n".join(_lines(result))
