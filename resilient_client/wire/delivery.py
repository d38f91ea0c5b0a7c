"""One attempt over any wire: send, follow redirects, take what comes, say how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from resilient_client.exchange import Exchanged, Outcome, WireError, expected
from resilient_client.live import when_over
from resilient_client.pipeline.attempt import with_deadline_header
from resilient_client.pipeline.observe import exchanges_of
from resilient_client.result import FailureKind
from resilient_client.sink import Verdict
from resilient_client.wire.coding import discard_body
from resilient_client.wire.guard import UNJUDGED, judges
from resilient_client.wire.outcomes import come_of, poured, read
from resilient_client.wire.redirects import is_redirect, next_request
from resilient_client.wire.requests import with_host

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from resilient_client.exchange import Answer, Limits, RawHeaders, Url, Wire, WireRequest
    from resilient_client.pipeline.attempt import Send
    from resilient_client.pipeline.call import Call
    from resilient_client.pipeline.observe import Exchanges
    from resilient_client.sink import Sink


def send_over(wire: Wire) -> Send:
    """Return the innermost step of a pipeline over `wire`."""
    judged = judges(wire)

    def send(call: Call, request: WireRequest, limits: Limits, *, fresh: bool) -> Coroutine[Any, Any, Outcome]:
        if limits.public_only and not judged:
            return _blocked()
        told = exchanges_of(call, limits.clock)
        if told is None and request.auth is None and call.sink is None and not call.policy.redirects:
            return _straight(wire, call, request, limits, fresh=fresh)
        return Delivery(wire, call, limits, told).outcome(request, fresh=fresh)

    return send


async def _blocked() -> Outcome:
    return Outcome(FailureKind.BLOCKED, UNJUDGED, sent=False)


async def _straight(wire: Wire, call: Call, request: WireRequest, limits: Limits, *, fresh: bool) -> Outcome:
    """Send a request that nothing can come in between of: one answer, and nobody who wants to hear of it."""
    try:
        answer = await wire.send(request, limits, fresh=fresh, hops=NO_FLOW)
        return await come_of(call, request, answer, limits)
    except WireError as error:
        return Outcome.of_error(error)


class NoFlow:
    """Hears of an auth flow that there is none of."""

    def begins(self, method: str, url: Url) -> RawHeaders:  # noqa: ARG002 - see above
        """Return the fields to set in a request: none."""
        return []

    def answered(self, answer: Answer) -> None:
        """Take no note of it."""


NO_FLOW: Final = NoFlow()


class Delivery:
    """One attempt on its way. What is answered before the real answer, it notes as an attempt of the call."""

    __slots__ = ("_call", "_limits", "_told", "_wire")

    def __init__(self, wire: Wire, call: Call, limits: Limits, told: Exchanges | None) -> None:
        self._wire = wire
        self._call = call
        self._limits = limits
        self._told = told

    async def outcome(self, request: WireRequest, *, fresh: bool) -> Outcome:
        """Send `request`, and return what came of it."""
        call = self._call
        outcome: Outcome | None = None
        try:
            if call.sink is not None:
                outcome = await self._into(call.sink, request, fresh=fresh)
                return outcome
            answer = await self._sent(request, fresh=fresh)
            if call.policy.redirects and is_redirect(answer):
                answer, request = await self._follow(request, answer)
            outcome = await come_of(call, request, answer, self._limits)
            return outcome
        except WireError as error:
            outcome = Outcome.of_error(error)
            return outcome
        finally:
            if self._told is not None:
                when_over(outcome, self._told.ended)

    def _sent(self, request: WireRequest, *, fresh: bool) -> Coroutine[Any, Any, Answer]:
        if self._told is None:
            return self._wire.send(request, self._limits, fresh=fresh, hops=self)
        return self._heard(self._told, request, fresh=fresh)

    async def _heard(self, told: Exchanges, request: WireRequest, *, fresh: bool) -> Answer:
        """Send `request`; one with an auth flow is told of by the wire, which alone knows what the flow sends."""
        if request.auth is None:
            request = told.begins(request)
        answer = await self._wire.send(request, self._limits, fresh=fresh, hops=self)
        told.answered(answer)
        return answer

    # On the way to the real answer.

    def begins(self, method: str, url: Url) -> RawHeaders:
        """Tell of a request of an auth flow."""
        return [] if self._told is None else self._told.next_begins(method, url)

    def answered(self, answer: Answer) -> None:
        """Tell of an answer in an auth flow, and that it is over."""
        if self._told is not None:
            self._told.answered(answer)
        self._over(answer)

    def _over(self, answer: Answer) -> None:
        """Record an answer that something follows."""
        if self._told is not None:
            self._told.ended(Exchanged(answer.status, answer.reused))
        self._call.record(Outcome(None, status=answer.status, reused=answer.reused), self._limits.clock())

    async def _follow(self, request: WireRequest, answer: Answer) -> tuple[Answer, WireRequest]:
        """Return the answer that no redirect follows, and the request that it is one to."""
        call, seen = self._call, [request.url]
        for _ in range(call.policy.redirects):
            await discard_body(answer)
            self._over(answer)
            request = self._with_what_is_left(with_host(next_request(request, answer, seen)))
            seen.append(request.url)
            try:
                answer = await self._sent(request, fresh=False)
            except WireError as error:
                raise _after_an_answer(error) from error.__cause__
            if not is_redirect(answer):
                return answer, request
        answer.body.abort()
        raise WireError(FailureKind.REDIRECT, f"more than {call.policy.redirects} redirects", sent=True)

    def _with_what_is_left(self, request: WireRequest) -> WireRequest:
        return with_deadline_header(
            request, self._call.policy.timeouts.header, self._call.deadline - self._limits.clock()
        )

    # Into a sink.

    async def _into(self, sink: Sink, request: WireRequest, *, fresh: bool) -> Outcome:
        """Have the sink take the answer; one that it cannot use is followed by another, at most once."""
        verdict, answer, asked = await self._judged(sink, request, fresh=fresh)
        if verdict is Verdict.AGAIN:
            await discard_body(answer)
            self._over(answer)
            try:
                verdict, answer, asked = await self._judged(sink, self._with_what_is_left(request), fresh=False)
            except WireError as error:
                raise _after_an_answer(error) from error.__cause__
        if verdict is Verdict.LEAVE:
            return await read(self._call, asked, answer)
        return await poured(self._call, sink, verdict, asked, answer, self._limits)

    async def _judged(self, sink: Sink, request: WireRequest, *, fresh: bool) -> tuple[Verdict, Answer, WireRequest]:
        """Return what the sink makes of an answer, the answer, and the request that it is one to."""
        request = await sink.ask(request)
        answer = await self._sent(request, fresh=fresh)
        if self._call.policy.redirects and is_redirect(answer):
            answer, request = await self._follow(request, answer)
        return sink.judge(answer, good=expected(answer.status, self._call.expect)), answer, request


def _after_an_answer(error: WireError) -> WireError:
    """Return the error of a later request of an attempt: it may not have been sent, but the first was, and answered."""
    error.sent, error.stale = True, False
    return error
