"""One attempt over any wire: send, follow redirects, read the body under its cap, say how it ended."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from resilient_client.exchange import Exchanged, Outcome, WireError, expected
from resilient_client.live import LiveBody, when_over
from resilient_client.pipeline.attempt import with_deadline_header
from resilient_client.pipeline.observe import Silent, exchanges_of
from resilient_client.result import FailureKind
from resilient_client.retry_after import retry_after
from resilient_client.wire.classify import kind_of_status
from resilient_client.wire.coding import Unpacker, discard_body, read_body
from resilient_client.wire.redirects import is_redirect, next_request
from resilient_client.wire.requests import with_host

if TYPE_CHECKING:
    from resilient_client.exchange import Answer, Limits, RawHeaders, Upgrade, Url, Wire, WireRequest
    from resilient_client.pipeline.attempt import Send
    from resilient_client.pipeline.call import Call


OF_THE_BODY: Final = frozenset((FailureKind.DECODE, FailureKind.TOO_LARGE))


def send_over(wire: Wire) -> Send:
    """Return the innermost step of a pipeline over `wire`."""

    async def send(call: Call, request: WireRequest, limits: Limits, *, fresh: bool) -> Outcome:
        told = exchanges_of(call, limits.clock)
        outcome: Outcome | None = None
        try:
            outcome = await _deliver(wire, call, request, limits, told, fresh=fresh)
            return outcome
        finally:
            when_over(outcome, told.ended)

    return send


async def _deliver(
    wire: Wire, call: Call, request: WireRequest, limits: Limits, told: Silent, *, fresh: bool
) -> Outcome:
    hops = Recorder(call, limits, told)
    try:
        answer = await _sent(wire, request, limits, hops, fresh=fresh)
        if call.policy.redirects and is_redirect(answer):
            answer, request = await _follow(wire, call, request, answer, limits, hops)
    except WireError as error:
        return Outcome.of_error(error)
    if request.upgrade is not None:
        return await _upgraded(call, request, request.upgrade, answer, limits)
    if call.streaming and expected(answer.status, call.expect):
        return await _opened(call, request, answer, limits)
    return await _read(call, request, answer)


async def _upgraded(call: Call, request: WireRequest, upgrade: Upgrade, answer: Answer, limits: Limits) -> Outcome:
    """Leave open the connection that changed protocols; an answer that is none of that is read as any other."""
    if answer.switched is None:
        outcome = await _read(call, request, answer)
        if outcome.kind is None or outcome.kind is FailureKind.UNEXPECTED:
            outcome.kind = FailureKind.UNEXPECTED
            outcome.message = f"{_phrase(answer.status)} instead of a change to {upgrade.name}"
        return outcome
    outcome = Outcome(None, status=answer.status, headers=answer.headers, url=request.url, reused=answer.reused)
    live = call.live = upgrade.open(outcome, answer, limits)
    return replace(outcome, live=live)


async def _opened(call: Call, request: WireRequest, answer: Answer, limits: Limits) -> Outcome:
    """Wait for the first bytes of a body that is read piece by piece; from then on the deadline alone bounds it."""
    outcome = Outcome(None, status=answer.status, headers=answer.headers, url=request.url, reused=answer.reused)
    try:
        live = call.live = LiveBody(outcome, answer.body, Unpacker(answer.headers, call.policy.max_body))
        await live.begin()
    except WireError as error:
        answer.body.abort()
        cause = error.__cause__ or error
        return replace(outcome, kind=error.kind, message=error.message, cause=cause)
    limits.attempt_until, limits.attempt_kind = call.deadline, FailureKind.DEADLINE
    return outcome if live.closed else replace(outcome, live=live)


async def _sent(wire: Wire, request: WireRequest, limits: Limits, hops: Recorder, *, fresh: bool) -> Answer:
    """Send `request`; one with an auth flow is told of by the wire, which alone knows what the flow sends."""
    if request.auth is None:
        request = hops.told.begins(request)
    answer = await wire.send(request, limits, fresh=fresh, hops=hops)
    hops.told.answered(answer)
    return answer


class Recorder:
    """Notes answers on the way to the real one as attempts of the call, and tells of them."""

    __slots__ = ("_call", "_limits", "told")

    def __init__(self, call: Call, limits: Limits, told: Silent) -> None:
        self._call = call
        self._limits = limits
        self.told = told

    def begins(self, method: str, url: Url) -> RawHeaders:
        """Tell of a request of an auth flow."""
        return self.told.next_begins(method, url)

    def answered(self, answer: Answer) -> None:
        """Tell of an answer in an auth flow, and that it is over."""
        self.told.answered(answer)
        self.over(answer)

    def over(self, answer: Answer) -> None:
        """Record an answer that something follows."""
        self.told.ended(Exchanged(answer.status, answer.reused))
        self._call.record(Outcome(None, status=answer.status, reused=answer.reused), self._limits.clock())


async def _follow(
    wire: Wire, call: Call, request: WireRequest, answer: Answer, limits: Limits, hops: Recorder
) -> tuple[Answer, WireRequest]:
    seen = [request.url]
    for _ in range(call.policy.redirects):
        await discard_body(answer)
        hops.over(answer)
        request = with_host(next_request(request, answer, seen))
        request = with_deadline_header(request, call.policy.timeouts.header, call.deadline - limits.clock())
        seen.append(request.url)
        try:
            answer = await _sent(wire, request, limits, hops, fresh=False)
        except WireError as error:  # this hop may not have been sent, but the call's request was, and was answered
            error.sent, error.stale = True, False
            raise
        if not is_redirect(answer):
            return answer, request
    answer.body.abort()
    raise WireError(FailureKind.REDIRECT, f"more than {call.policy.redirects} redirects", sent=True)


async def _read(call: Call, request: WireRequest, answer: Answer) -> Outcome:
    status, headers = answer.status, answer.headers
    outcome = Outcome(None, status=status, headers=headers, url=request.url, reused=answer.reused)
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
        outcome.message = _phrase(status) if status >= 400 else f"{_phrase(status)} is not in expect="
        outcome.retry_after = retry_after(headers)
    return outcome


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
