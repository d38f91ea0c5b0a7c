"""One attempt over any wire: send, follow redirects, read the body under its cap, say how it ended."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from resilient_client.exchange import Exchanged, Outcome, WireError, expected
from resilient_client.pipeline.attempt import with_deadline_header
from resilient_client.result import FailureKind
from resilient_client.retry_after import retry_after
from resilient_client.wire.classify import kind_of_status
from resilient_client.wire.coding import discard_body, read_body
from resilient_client.wire.redirects import is_redirect, next_request
from resilient_client.wire.requests import with_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient_client.exchange import Answer, Limits, Wire, WireRequest
    from resilient_client.pipeline.attempt import Send
    from resilient_client.pipeline.call import Call


OF_THE_BODY: Final = frozenset((FailureKind.DECODE, FailureKind.TOO_LARGE))


def send_over(wire: Wire) -> Send:
    """Return the innermost step of a pipeline over `wire`."""

    async def send(call: Call, request: WireRequest, limits: Limits, *, fresh: bool) -> Outcome:
        try:
            answer = await wire.send(request, limits, fresh=fresh, on_hop=_recorder(call, limits))
            if call.policy.redirects and is_redirect(answer):
                answer, request = await _follow(wire, call, request, answer, limits)
        except WireError as error:
            return Outcome.of_error(error)
        return await _read(call, request, answer)

    return send


def _recorder(call: Call, limits: Limits) -> Callable[[Exchanged], None]:
    """Return what notes an answer on the way to the real one as an attempt of the call."""

    def on_hop(hop: Exchanged) -> None:
        call.record(Outcome(None, status=hop.status, reused=hop.reused), limits.clock())

    return on_hop


async def _follow(
    wire: Wire, call: Call, request: WireRequest, answer: Answer, limits: Limits
) -> tuple[Answer, WireRequest]:
    seen, on_hop = [request.url], _recorder(call, limits)
    for _ in range(call.policy.redirects):
        await discard_body(answer)
        on_hop(Exchanged(answer.status, answer.reused))
        request = with_host(next_request(request, answer, seen))
        request = with_deadline_header(request, call.policy.timeouts.header, call.deadline - limits.clock())
        seen.append(request.url)
        try:
            answer = await wire.send(request, limits, fresh=False, on_hop=on_hop)
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
