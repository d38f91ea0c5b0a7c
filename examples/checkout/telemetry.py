"""What checkout tells of itself: spans that leave over OTLP, and log lines as JSON.

The client finds both by itself: once there is a tracer provider its calls are spans, and once structlog is configured
its lines go there.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict, Processor, WrappedLogger

log = structlog.get_logger("checkout")

METHODS: Final = frozenset(("GET", "HEAD", "PUT"))
"""What checkout answers to. Any other method is `_OTHER` in telemetry, so that nobody can fill it with names."""


@contextmanager
def tracing(service: str) -> Iterator[None]:
    """Send spans to where OTEL_EXPORTER_OTLP_ENDPOINT says; without it there are none.

    The exporter and the sampler read their other variables themselves.
    """
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        yield
        return
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", service)})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()  # the last spans leave before the process does


def set_up_logging() -> None:
    """Write one JSON object per line to stderr: our lines, the client's, and those of libraries that use `logging`."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        with_trace,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    lines = logging.StreamHandler()
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # it would tell of every change beside the policy file


def with_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the ids of the span that a line is written in; the client's lines bring those of their call."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(context.trace_id))
        event.setdefault("span_id", trace.format_span_id(context.span_id))
    return event


class Observed:
    """ASGI middleware: a SERVER span and a log line for each request.

    The span continues the trace of the caller, and so do the client's spans below it. The package
    opentelemetry-instrumentation-asgi does the same, and more.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tracer = trace.get_tracer("checkout")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request inside of its span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def noting_the_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        attributes = {"http.request.method": method, "url.path": scope["path"], "url.scheme": scope["scheme"]}
        parent = propagate.extract(Headers(scope=scope))
        name = "HTTP" if method == "_OTHER" else method
        with self._tracer.start_as_current_span(name, parent, SpanKind.SERVER, attributes) as span:
            try:
                await self._app(scope, receive, noting_the_status)
            finally:
                _tell(span, scope, name, status)
                seconds = round(time.monotonic() - started, 3)
                log.info("request", method=scope["method"], path=scope["path"], status=status, seconds=seconds)


def _tell(span: Span, scope: Scope, name: str, status: int) -> None:
    route = getattr(scope.get("route"), "path_format", None)  # Starlette's router leaves it here
    if route is not None:
        span.update_name(f"{name} {route}")
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)
