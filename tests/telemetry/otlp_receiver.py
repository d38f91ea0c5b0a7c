"""A receiver of OTLP over HTTP on loopback, and the spans that it was sent, decoded."""

from __future__ import annotations

import gzip
import os
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded
from opentelemetry.proto.trace.v1.trace_pb2 import Status

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Event:
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Span:
    """A span as it came over the wire; ids are hexadecimal, `parent` is empty at the root of a trace."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    status: str
    message: str
    started: int
    ended: int
    attributes: dict[str, Any]
    events: tuple[Event, ...]
    scope: str
    scope_version: str
    schema: str
    resource: dict[str, Any]

    @property
    def traceparent(self) -> tuple[str, str]:
        """What is said of it in a request that is sent inside of it, see `parted`."""
        return self.trace, self.id


def parted(traceparent: str | None) -> tuple[str, str]:
    """The ids of trace and span in a header; it is of version 0 and tells that the span is recorded."""
    version, trace, span, flags = (traceparent or "none").split("-")
    assert version == "00"
    assert int(flags, 16) & 1
    return trace, span


def decoded(body: bytes) -> list[Span]:
    message = ExportTraceServiceRequest()
    message.ParseFromString(body)
    return [
        Span(
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            kind=Encoded.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
            message=span.status.message,
            started=span.start_time_unix_nano,
            ended=span.end_time_unix_nano,
            attributes=plain(span.attributes),
            events=tuple(Event(event.name, plain(event.attributes)) for event in span.events),
            scope=of_scope.scope.name,
            scope_version=of_scope.scope.version,
            schema=of_scope.schema_url,
            resource=plain(of_resource.resource.attributes),
        )
        for of_resource in message.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def plain(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def clean_environment() -> dict[str, str]:
    """The variables of this process, without those that would change what is sent or how."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "RESILIENT_CLIENT"))}


class Receiver:
    """Takes POST /v1/traces on a free port for as long as the `with` lasts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[Span] = []
        self.problems: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = receiver._take(self.path, self.headers, body)
                self.send_response(200 if answer is not None else 400)
                self.send_header("Content-Type", PROTOBUF)
                self.send_header("Content-Length", str(len(answer or b"")))
                self.end_headers()
                self.wfile.write(answer or b"")

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def _take(self, path: str, headers: Any, body: bytes) -> bytes | None:
        with self._lock:
            try:
                assert (path, headers["Content-Type"]) == ("/v1/traces", PROTOBUF)
                self._spans += decoded(gzip.decompress(body) if headers["Content-Encoding"] == "gzip" else body)
            except Exception as problem:
                self.problems.append(f"POST {path}: {problem!r}")
                return None
        return ExportTraceServiceResponse().SerializeToString()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def environment(self) -> dict[str, str]:
        """The variables that make an SDK send here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url}

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        assert self.problems == []
