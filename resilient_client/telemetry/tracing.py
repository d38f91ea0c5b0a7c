"""Spans: one INTERNAL per call, under it one CLIENT per request on the wire; OpenTelemetry's API only.

The names are those of the semantic conventions for HTTP clients (1.44). Spans are started and ended explicitly; a
context is attached around one transport call and nothing else, and never across a `yield`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider

from resilient_client.events import (
    CallCancelled,
    CallGivenUp,
    CallInfo,
    CallStarted,
    CallSucceeded,
    Event,
    Exchange,
    ExchangeAnswered,
    ExchangeEnded,
    ExchangeStarted,
    Listener,
    Rejected,
    RetryScheduled,
)
from resilient_client.telemetry.bounded import method_of
from resilient_client.telemetry.version import NAME, SCHEMA, VERSION

CALL: Final = "resilient_client.request"

HTTPX_INSTRUMENTATION: Final = "opentelemetry.instrumentation.httpx"
"""What makes CLIENT spans of its own, once it is imported, unless it is told not to."""


class Traced:
    """What tracing keeps of a call: its span, and the context in which it was made."""

    __slots__ = ("context", "span")

    def __init__(self, span: Span, context: Context) -> None:
        self.span = span
        self.context = context


class OnTheWire:
    """What tracing keeps of an exchange: its span, if it has one, and what is attached until its head has come."""

    __slots__ = ("_attached", "_token", "span")

    def __init__(self, span: Span | None, inside: Context) -> None:
        self.span = span
        self._attached = inside
        self._token: Any = otel_context.attach(inside)

    def detach(self) -> None:
        """Detach, once, and only where it was attached: a coroutine may be thrown away from another context."""
        token, self._token = self._token, None
        if token is not None and otel_context.get_current() is self._attached:
            otel_context.detach(token)


class Tracing:
    """The listener that makes spans.

    With `http_spans="own"` it makes the CLIENT spans, and tells OpenTelemetry's instrumentation of httpx to make none.
    With "delegate" that instrumentation makes them, under the call's span. `tracer_provider` stands in for the global
    one, for a client that is made with `telemetry=False, listeners=[Tracing(...)]`.
    """

    def __init__(self, http_spans: str = "own", *, tracer_provider: TracerProvider | None = None) -> None:
        self._own = http_spans == "own"
        self._tracer = trace.get_tracer(NAME, VERSION, tracer_provider, SCHEMA)
        self.hears: Mapping[type, Listener] = {
            CallStarted: self._call_started,
            ExchangeStarted: self._exchange_started,
            ExchangeAnswered: self._exchange_answered,
            ExchangeEnded: self._exchange_ended,
            RetryScheduled: self._retry_scheduled,
            Rejected: self._rejected,
            CallSucceeded: self._succeeded,
            CallGivenUp: self._given_up,
            CallCancelled: self._cancelled,
        }

    def __call__(self, event: Event) -> None:
        """Put an event into spans."""
        self.hears[type(event)](event)

    # The call.

    def _call_started(self, event: CallStarted) -> None:
        call = event.call
        current = otel_context.get_current()
        attributes = {"resilient_client.client.name": call.client}
        span = self._tracer.start_span(CALL, current, SpanKind.INTERNAL, attributes)
        call.trace = Traced(span, current)

    def _retry_scheduled(self, event: RetryScheduled) -> None:
        span = event.call.trace.span
        if span.is_recording():
            reason = str(event.attempt.kind)
            span.add_event("resilient_client.retry.scheduled", {"delay": event.delay, "reason": reason})

    def _rejected(self, event: Rejected) -> None:
        span = event.call.trace.span
        if span.is_recording():
            span.add_event("resilient_client.rejected", {"kind": str(event.kind), "by": event.by})

    def _succeeded(self, event: CallSucceeded) -> None:
        span = event.call.trace.span
        span.set_attributes(
            {"resilient_client.outcome": "success", "resilient_client.attempts": len(event.result.attempts)}
        )
        span.end()

    def _given_up(self, event: CallGivenUp) -> None:
        failure, span = event.result, event.call.trace.span
        if span.is_recording():
            span.set_attributes(
                {
                    "resilient_client.outcome": outcome_of(failure.kind, failure.status),
                    "resilient_client.attempts": len(failure.attempts),
                    "resilient_client.stopped": str(failure.stopped),
                    "error.type": str(failure.kind),
                }
            )
            span.set_status(StatusCode.ERROR, f"{failure.kind}, stopped: {failure.stopped}")
        span.end()

    def _cancelled(self, event: CallCancelled) -> None:
        span = event.call.trace.span
        if span.is_recording():
            span.set_attribute("resilient_client.outcome", "cancelled")
        span.end()

    # What goes over the wire for it.

    def _exchange_started(self, event: ExchangeStarted) -> None:
        call, exchange = event.call, event.exchange
        traced: Traced = call.trace
        below = trace.set_span_in_context(traced.span, traced.context)
        span = self._client_span(call, exchange, below) if self._own else None
        inside = below if span is None else trace.set_span_in_context(span, below)
        carrier: dict[str, str] = {}
        propagate.inject(carrier, inside)
        exchange.headers += carrier.items()
        if span is not None and HTTPX_INSTRUMENTATION in sys.modules and span.is_recording():
            inside = otel_context.set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, inside)
        exchange.trace = OnTheWire(span, inside)

    def _client_span(self, call: CallInfo, exchange: Exchange, below: Context) -> Span:
        method = method_of(exchange.method)
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "server.address": exchange.host,
            "server.port": exchange.port,
            "url.full": exchange.url,
        }
        if method != exchange.method:
            attributes["http.request.method_original"] = exchange.method
        route = call.route if exchange.url == call.url else None  # a redirect leads to some other place
        if route is not None:
            attributes["url.template"] = route
        if exchange.number:
            attributes["http.request.resend_count"] = exchange.number
        verb = "HTTP" if method != exchange.method else method
        name = verb if route is None else f"{verb} {route}"
        return self._tracer.start_span(name, below, SpanKind.CLIENT, attributes)

    def _exchange_answered(self, event: ExchangeAnswered) -> None:
        wire: OnTheWire = event.exchange.trace
        wire.detach()
        span = wire.span
        if span is None:
            return
        attributes: dict[str, str | int] = {
            "http.response.status_code": event.status,
            "network.protocol.version": event.http_version.removeprefix("HTTP/"),
        }
        if event.peer is not None:
            attributes["network.peer.address"], attributes["network.peer.port"] = event.peer
        span.set_attributes(attributes)

    def _exchange_ended(self, event: ExchangeEnded) -> None:
        wire: OnTheWire = event.exchange.trace
        wire.detach()
        span = wire.span
        if span is None:
            return
        error = None if event.cancelled else error_type(event)
        if error is not None and span.is_recording():
            span.set_attribute("error.type", error)
            span.set_status(StatusCode.ERROR)
        span.end()


def error_type(event: ExchangeEnded) -> str | None:
    """Return the `error.type` of an exchange: the status as text, or our kind; None for what was expected."""
    if event.kind is None:
        return None
    failed_by_status = event.kind in {"client_error", "throttled", "server_error"}
    return str(event.status) if failed_by_status and event.status is not None else str(event.kind)


def outcome_of(kind: str, status: int | None) -> str:
    """Return how a failed call is told in metrics and on its span: rejected, http_error or error."""
    if kind in {"circuit_open", "bulkhead_full"}:
        return "rejected"
    return "http_error" if kind in {"client_error", "throttled", "server_error"} and status is not None else "error"
