"""One attempt over any wire: send, follow redirects, read the body under its cap, say how it ended."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from resilient_client.exchange import Exchanged, Outcome, WireError, expected
from resilient_client.live import LiveBody, closing_live, when_over
from resilient_client.pipeline.attempt import with_deadline_header
from resilient_client.pipeline.observe import Silent, exchanges_of
from resilient_client.result import FailureKind
from resilient_client.retry_after import retry_after
from resilient_client.sink import Verdict
from resilient_client.wire.classify import kind_of_status
from resilient_client.wire.coding import Unpacker, discard_body, read_body
from resilient_client.wire.guard import UNJUDGED, judges
from resilient_client.wire.redirects import is_redirect, next_request
from resilient_client.wire.requests import with_host

if TYPE_CHECKING:
    from resilient_client.exchange import Answer, Limits, RawHeaders, Upgrade, Url, Wire, WireRequest
    from resilient_client.pipeline.attempt import Send
    from resilient_client.pipeline.call import Call
    from resilient_client.sink import Sink


OF_THE_BODY: Final = frozenset((FailureKind.DECODE, FailureKind.TOO_LARGE))


def send_over(wire: Wire) -> Send:
    """Return the innermost step of a pipeline over `wire`."""
    judged = judges(wire)

    async def send(call: Call, request: WireRequest, limits: Limits, *, fresh: bool) -> Outcome:
        if limits.public_only and not judged:
            return Outcome(FailureKind.BLOCKED, UNJUDGED, sent=False)
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
    verdict = Verdict.LEAVE
    try:
        if call.sink is None:
            answer, request = await _answered(wire, call, request, limits, hops, fresh=fresh)
        else:
            verdict, answer, request = await _judged(wire, call, call.sink, request, limits, hops, fresh=fresh)
    except WireError as error:
        return Outcome.of_error(error)
    if call.sink is not None and verdict is not Verdict.LEAVE:
        return await _poured(call, call.sink, verdict, request, answer, limits)
    if request.upgrade is not None:
        return await _upgraded(call, request, request.upgrade, answer, limits)
    if call.streaming and expected(answer.status, call.expect):
        return await _opened(call, request, answer, limits)
    return await _read(call, request, answer)


async def _answered(
    wire: Wire, call: Call, request: WireRequest, limits: Limits, hops: Recorder, *, fresh: bool
) -> tuple[Answer, WireRequest]:
    """Return the answer that no redirect follows, and the request that it is one to."""
    answer = await _sent(wire, request, limits, hops, fresh=fresh)
    if call.policy.redirects and is_redirect(answer):
        return await _follow(wire, call, request, answer, limits, hops)
    return answer, request


async def _judged(
    wire: Wire, call: Call, sink: Sink, request: WireRequest, limits: Limits, hops: Recorder, *, fresh: bool
) -> tuple[Verdict, Answer, WireRequest]:
    """Return what the sink makes of an answer; one that it cannot use is followed by another, at most once."""
    verdict, answer, asked = await _asked(wire, call, sink, request, limits, hops, fresh=fresh)
    if verdict is Verdict.AGAIN:
        await discard_body(answer)
        hops.over(answer)
        request = with_deadline_header(request, call.policy.timeouts.header, call.deadline - limits.clock())
        try:
            verdict, answer, asked = await _asked(wire, call, sink, request, limits, hops, fresh=False)
        except WireError as error:
            raise _after_an_answer(error) from error.__cause__
    return verdict, answer, asked


async def _asked(
    wire: Wire, call: Call, sink: Sink, request: WireRequest, limits: Limits, hops: Recorder, *, fresh: bool
) -> tuple[Verdict, Answer, WireRequest]:
    answer, asked = await _answered(wire, call, await sink.ask(request), limits, hops, fresh=fresh)
    return sink.judge(answer, good=expected(answer.status, call.expect)), answer, asked


async def _poured(
    call: Call, sink: Sink, verdict: Verdict, request: WireRequest, answer: Answer, limits: Limits
) -> Outcome:
    """Read a body into the call's sink, within the limits of a stream."""
    with closing_live(call):
        if verdict is Verdict.WHOLE:
            await discard_body(answer)
            outcome, live = _outcome_of(request, answer), None
            _only_the_deadline(call, limits)
        else:
            outcome = await _opened(call, request, answer, limits)
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
        except WireError as error:
            raise _after_an_answer(error) from error.__cause__
        if not is_redirect(answer):
            return answer, request
    answer.body.abort()
    raise WireError(FailureKind.REDIRECT, f"more than {call.policy.redirects} redirects", sent=True)


def _after_an_answer(error: WireError) -> WireError:
    """Return the error of a later request of an attempt: it may not have been sent, but the first was, and answered."""
    error.sent, error.stale = True, False
    return error


async def _read(call: Call, request: WireRequest, answer: Answer) -> Outcome:
    status, headers = answer.status, answer.headers
    outcome = _outcome_of(request, answer)
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
