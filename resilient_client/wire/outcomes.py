"""What one answer comes to: read whole, left open, poured into a sink, or another protocol from then on."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from resilient_client.exchange import Outcome, WireError, expected
from resilient_client.live import LiveBody, closing_live
from resilient_client.result import FailureKind
from resilient_client.retry_after import retry_after
from resilient_client.sink import Verdict
from resilient_client.wire.classify import kind_of_status
from resilient_client.wire.coding import Unpacker, discard_body, read_body
from resilient_client.wire.redirects import is_redirect

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from resilient_client.exchange import Answer, Limits, Upgrade, WireRequest
    from resilient_client.pipeline.call import Call
    from resilient_client.sink import Sink

OF_THE_BODY: Final = frozenset((FailureKind.DECODE, FailureKind.TOO_LARGE))


def come_of(call: Call, request: WireRequest, answer: Answer, limits: Limits) -> Coroutine[Any, Any, Outcome]:
    """Return what reads `answer`, or leaves it open, whichever its call is made for."""
    if request.upgrade is not None:
        return upgraded(call, request, request.upgrade, answer, limits)
    if call.streaming and expected(answer.status, call.expect):
        return opened(call, request, answer, limits)
    return read(call, request, answer)


async def read(call: Call, request: WireRequest, answer: Answer) -> Outcome:
    """Read an answer whole, up to the cap of its policy."""
    status, headers = answer.status, answer.headers
    outcome = Outcome(None, "", status, headers, None, request.url, True, answer.reused)
    good = expected(status, call.expect)
    try:
        outcome.content = await read_body(answer, call.policy.max_body)
    except MemoryError as problem:
        outcome.kind, outcome.message, outcome.cause = FailureKind.LOCAL, "no memory for the body", problem
        return outcome
    except WireError as error:
        outcome.kind, outcome.message, outcome.cause = error.kind, error.message, error.__cause__ or error
        if good or error.kind not in OF_THE_BODY:
            return outcome
    if not good:  # also when its body is no good: what the server says of itself is what policies go by
        outcome.kind = kind_of_status(status)
        outcome.message = _phrase(status) if status >= 400 else _unexpected(call, answer)
        outcome.retry_after = retry_after(headers)
    return outcome


def _unexpected(call: Call, answer: Answer) -> str:
    """Return what is wrong with a status that is no error."""
    if is_redirect(answer):
        return f"{_phrase(answer.status)}, and the policy follows no redirects"
    return f"{_phrase(answer.status)} {'is not in expect=' if call.sink is None else 'has no file in it'}"


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


async def poured(
    call: Call, sink: Sink, verdict: Verdict, request: WireRequest, answer: Answer, limits: Limits
) -> Outcome:
    """Read a body into the call's sink, within the limits of a stream."""
    with closing_live(call):
        if verdict is Verdict.WHOLE:
            await discard_body(answer)
            outcome, live = _outcome_of(request, answer), None
            _only_the_deadline(call, limits)
        else:
            outcome = await opened(call, request, answer, limits)
            live = call.live if isinstance(call.live, LiveBody) else None
            outcome.live = None
        outcome.begun = limits.clock()
        if outcome.kind is None:
            await _pour(live, sink, outcome, call.policy.max_body, limits)
    return outcome


async def _pour(live: LiveBody | None, sink: Sink, outcome: Outcome, cap: int, limits: Limits) -> None:
    """Read `live`, if there is anything to read, and note in `outcome` what came of it."""
    try:
        if live is not None:
            await sink.begin(cap)
            while piece := await live.next():
                await sink.keep(piece)
        outcome.value = await sink.finish(limits)
    except WireError as error:
        outcome.kind, outcome.message, outcome.cause = error.kind, error.message, error.__cause__ or error
        outcome.cut_short = True  # as for a stream, a deadline says nothing of a server that was sending
        await sink.pause()


async def upgraded(call: Call, request: WireRequest, upgrade: Upgrade, answer: Answer, limits: Limits) -> Outcome:
    """Leave open the connection that changed protocols; an answer that is none of that is read as any other."""
    if answer.switched is None:
        outcome = await read(call, request, answer)
        if outcome.kind is None or outcome.kind is FailureKind.UNEXPECTED:
            outcome.kind = FailureKind.UNEXPECTED
            outcome.message = f"{_phrase(answer.status)} instead of a change to {upgrade.name}"
        return outcome
    outcome = Outcome(None, status=answer.status, headers=answer.headers, url=request.url, reused=answer.reused)
    live = call.live = upgrade.open(outcome, answer, limits)
    return replace(outcome, live=live)


async def opened(call: Call, request: WireRequest, answer: Answer, limits: Limits) -> Outcome:
    """Wait for the first bytes of a body that is read piece by piece; from then on the deadline alone bounds it."""
    outcome = _outcome_of(request, answer)
    try:
        live = call.live = LiveBody(outcome, answer.body, Unpacker(answer.headers, call.policy.max_body))
        await live.begin()
    except WireError as error:
        answer.body.abort()
        cause = error.__cause__ or error
        return replace(outcome, kind=error.kind, message=error.message, cause=cause)
    _only_the_deadline(call, limits)
    return outcome if live.closed else replace(outcome, live=live)


def _only_the_deadline(call: Call, limits: Limits) -> None:
    limits.attempt_until, limits.attempt_kind = call.deadline, FailureKind.DEADLINE


def _outcome_of(request: WireRequest, answer: Answer) -> Outcome:
    return Outcome(None, status=answer.status, headers=answer.headers, url=request.url, reused=answer.reused)
