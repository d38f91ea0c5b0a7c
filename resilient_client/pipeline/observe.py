"""Observe: tell whoever listens how a call began and ended, and each request on its wire. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from resilient_client.events import (
    CallCancelled,
    CallGivenUp,
    CallStarted,
    CallSucceeded,
    Exchange,
    ExchangeAnswered,
    ExchangeEnded,
    ExchangeStarted,
    guarded,
    tell,
    tell_those,
    wanting,
)
from resilient_client.exchange import Answer, Exchanged, Outcome, RawHeaders, Url, WireRequest
from resilient_client.pipeline.call import Call, Handler, port_of, result_of
from resilient_client.redact import redact_url
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from resilient_client.result import Result

ON_THE_WIRE: Final = frozenset((ExchangeStarted, ExchangeAnswered, ExchangeEnded))

Pipeline: TypeAlias = Callable[[Call], Coroutine[Any, Any, "Result[Any]"]]
"""All layers together: a call in, its result out."""


def observe_layer(proceed: Handler, clock: Callable[[], float]) -> Pipeline:
    """Make the result, and tell of it exactly once, whatever happens below."""

    async def observed(call: Call) -> Result[Any]:
        if CallStarted in call.heard:
            tell(call.heard, CallStarted(call.info))
        outcome: Outcome | None = None
        result: Result[Any] | None = None
        try:
            outcome = await proceed(call)
            result = result_of(call, outcome, call.now)
            return result
        finally:
            if outcome is None or outcome.live is None:
                _tell_end(call, result, clock)
            else:
                outcome.live.on_close(
                    lambda over: _tell_end(call, result if over is outcome else of(call, over), clock)
                )

    def of(call: Call, outcome: Outcome | None) -> Result[Any] | None:
        return None if outcome is None else result_of(call, outcome, clock())

    return observed


def _tell_end(call: Call, result: Result[Any] | None, clock: Callable[[], float]) -> None:
    heard = call.heard
    if result is None:
        if CallCancelled in heard:
            tell(heard, CallCancelled(call.info, clock() - call.started))
        return
    if result.ok is True:
        if CallSucceeded in heard:
            tell(heard, CallSucceeded(call.info, result))
    elif listeners := wanting(heard, CallGivenUp, call.client, result.kind, result.sent):
        tell_those(listeners, CallGivenUp(call.info, result))
    if call.on_complete is not None:
        guarded(call.on_complete, result, "a result")


class Exchanges:
    """Tells of each request that one attempt puts on the wire."""

    def __init__(self, call: Call, clock: Callable[[], float]) -> None:
        self._call = call
        self._clock = clock
        self._exchange: Exchange | None = None
        self._started = 0.0

    def begins(self, request: WireRequest) -> WireRequest:
        """Tell that `request` is about to be sent, and return it with the fields that listeners add."""
        fields = self.next_begins(request.method, request.url)
        if not fields:
            return request
        names = [name.lower() for name, _ in fields]
        headers = [pair for pair in request.headers if pair[0].lower() not in names]
        headers += fields
        return WireRequest(request.method, request.url, headers, request.body, request.auth, request.upgrade)

    def next_begins(self, method: str, url: Url) -> RawHeaders:
        """Tell that a request is about to be sent, and return the fields that listeners add to it."""
        call, info = self._call, self._call.info
        if url is call.request.url:
            exchange = Exchange(call.exchanges, method, info.url, info.host, info.port)
        else:
            exchange = Exchange(call.exchanges, method, redact_url(str(url)), url.host, port_of(url))
        call.exchanges += 1
        self._exchange, self._started = exchange, self._clock()
        if ExchangeStarted in call.heard:
            tell(call.heard, ExchangeStarted(call.info, exchange))
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in exchange.headers]

    def answered(self, answer: Answer) -> None:
        """Tell that the head of an answer has come."""
        call, exchange = self._call, self._exchange
        if exchange is not None and ExchangeAnswered in call.heard:
            peer = answer.peer() if answer.peer is not None else None
            tell(call.heard, ExchangeAnswered(call.info, exchange, answer.status, answer.http_version, peer))

    def ended(self, outcome: Outcome | Exchanged | None) -> None:
        """Tell that the exchange is over; None when the caller left."""
        call, exchange = self._call, self._exchange
        self._exchange = None
        if exchange is None or ExchangeEnded not in call.heard:
            return
        elapsed = self._clock() - self._started
        status, kind, reused = None, None, False
        if outcome is not None:
            status, reused = outcome.status, outcome.reused
            kind = outcome.kind if isinstance(outcome, Outcome) else _kind_of_hop(outcome.status)
        tell(call.heard, ExchangeEnded(call.info, exchange, status, kind, elapsed, reused, outcome is None))


def _kind_of_hop(status: int) -> FailureKind | None:
    """Return what an answer is that something follows: a 401 before credentials is one all the same."""
    if status < 400:
        return None
    return FailureKind.CLIENT_ERROR if status < 500 else FailureKind.SERVER_ERROR


def exchanges_of(call: Call, clock: Callable[[], float]) -> Exchanges | None:
    """Return what tells of the exchanges of one attempt of `call`; None when nobody listens."""
    return None if ON_THE_WIRE.isdisjoint(call.heard) else Exchanges(call, clock)
