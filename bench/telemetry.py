"""What telemetry costs: events off, no SDK, an SDK against its own cost of the same spans; ratios within one run."""

from __future__ import annotations

import json
import subprocess
import sys
from statistics import median
from time import process_time

from bench.layers import NoWire
from bench.report import Table, number
from resilient_client import Client

ROUNDS = 15
COUNT = 2000


def per_call(run) -> float:
    start = process_time()
    for _ in range(COUNT):
        run()
    return (process_time() - start) / COUNT * 1e6


def interleaved(**contenders) -> dict[str, float]:
    """Return the median microseconds of each, taken turn by turn."""
    taken = {name: [] for name in contenders}
    for run in contenders.values():
        per_call(run)
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            taken[name].append(per_call(run))
    return {name: median(values) for name, values in taken.items()}


def calls(**options):
    client = Client("bench", base_url="http://far.side", **{"wire": NoWire(), **options})
    return lambda: client.get("/x")


def without_sdk() -> dict[str, float]:
    import opentelemetry.trace

    assert opentelemetry.trace
    off = calls(telemetry=False)
    return interleaved(**{"events off": off, "no SDK": calls(), "events off again": off})


def with_sdk() -> dict[str, float]:
    from opentelemetry import propagate, trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    tracer = trace.get_tracer("bench")
    call, off = calls(), calls(telemetry=False)

    def traced():
        call()
        exporter.clear()

    class SpansByHand(NoWire):
        """What an application would write that makes the same spans at the same places straight with the SDK."""

        async def send(self, request, limits, *, fresh, hops):
            below = trace.set_span_in_context(outer[0])
            attributes = {
                "http.request.method": "GET",
                "server.address": "far.side",
                "server.port": 80,
                "url.full": "http://far.side/x",
            }
            span = tracer.start_span("GET", below, trace.SpanKind.CLIENT, attributes)
            carrier = {}
            propagate.inject(carrier, trace.set_span_in_context(span, below))
            request.headers = [*request.headers, *((name.encode(), value.encode()) for name, value in carrier.items())]
            answer = await super().send(request, limits, fresh=fresh, hops=hops)
            span.set_attributes({"http.response.status_code": 200, "network.protocol.version": "1.1"})
            span.end()
            return answer

    outer = [trace.INVALID_SPAN]
    plain = calls(telemetry=False, wire=SpansByHand())

    def by_hand():
        span = outer[0] = tracer.start_span(
            "resilient_client.request", attributes={"resilient_client.client.name": "bench"}
        )
        plain()
        span.set_attributes({"resilient_client.outcome": "success", "resilient_client.attempts": 1})
        span.end()
        exporter.clear()

    return interleaved(**{"spans": traced, "events off": off, "by hand": by_hand})


def in_a_process(name: str) -> dict[str, float]:
    """An SDK can be set once per process, so each case has one of its own."""
    code = f"import json; from bench.telemetry import {name}; print(json.dumps({name}()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measure() -> dict[str, float]:
    """Return microseconds per call and the ratio that is promised."""
    plain, traced = in_a_process("without_sdk"), in_a_process("with_sdk")
    return {
        "telemetry, events off": plain["events off"],
        "telemetry without an SDK, over events off": plain["no SDK"] - plain["events off"],
        "telemetry, spans over events off": traced["spans"] - traced["events off"],
        "telemetry, the same spans by hand": traced["by hand"] - traced["events off"],
        "telemetry, ratio of the two": (traced["spans"] - traced["events off"])
        / (traced["by hand"] - traced["events off"]),
    }


def tables(found: dict[str, float]) -> list[Table]:
    rows = [(name.removeprefix("telemetry, "), number(value, 2)) for name, value in found.items()]
    return [Table("Telemetry", ("", "CPU us per call"), rows, "telemetry")]


if __name__ == "__main__":
    print(*(table.text() for table in tables(measure())), sep="\n")
