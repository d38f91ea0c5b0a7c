"""Who listens in these tests: an SDK of their own, so that nothing global is set, and a list of events."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from resilient_client.telemetry.metrics import Metrics
from resilient_client.telemetry.tracing import Tracing


class Spans:
    """A tracing SDK in memory; `listener` makes the spans."""

    def __init__(self, http_spans: str = "own") -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.listener = Tracing(http_spans, tracer_provider=self.provider)
        self.tracer = self.provider.get_tracer("the application")

    @property
    def all(self) -> tuple[Any, ...]:
        return self._exporter.get_finished_spans()

    @property
    def calls(self) -> list[Any]:
        return [span for span in self.all if span.name == "resilient_client.request"]

    @property
    def exchanges(self) -> list[Any]:
        return [span for span in self.all if span.kind.name == "CLIENT"]

    def text(self) -> str:
        return "".join(span.to_json() for span in self.all)


class Meters:
    """A metrics SDK in memory; `listener` measures."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])
        self.listener = Metrics(meter_provider=self.provider)

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """The attributes and values of one instrument; a histogram's value is how often it was recorded."""
        return [
            (dict(point.attributes), point.count if hasattr(point, "count") else point.value)
            for metric in self._metrics()
            if metric.name == name
            for point in metric.data.data_points
        ]

    def _metrics(self) -> list[Any]:
        data = self._reader.get_metrics_data()
        resources = data.resource_metrics if data else []
        return [metric for each in resources for scope in each.scope_metrics for metric in scope.metrics]

    def names(self) -> set[str]:
        return {metric.name for metric in self._metrics()}

    def series(self) -> int:
        return sum(len(metric.data.data_points) for metric in self._metrics())

    def text(self) -> str:
        return "".join(metric.to_json() for metric in self._metrics())


class Listening:
    """A listener that keeps what it is told."""

    def __init__(self, *hears: type) -> None:
        self.events: list[Any] = []
        if hears:
            self.hears = hears

    def __call__(self, event: Any) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]
