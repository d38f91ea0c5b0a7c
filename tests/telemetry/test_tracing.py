"""Whose child a span is: in threads and tasks, inside the application's spans, and without an SDK."""

import asyncio
import subprocess
import sys
import textwrap
import threading

import pytest
from heard import Spans
from opentelemetry import context, trace
from opentelemetry.trace import StatusCode

from resilient_client import AsyncClient, Breaker, Bulkhead, Client, Policy, Retry, RetryBudget, Timeouts
from resilient_client.testing import VirtualWorld, steps


@pytest.fixture
def spans():
    return Spans()


def traced(world, spans, **options):
    return world.client(listeners=[spans.listener], telemetry=False, **options)


def parents(spans):
    """The parent of each span by its id, both as names."""
    names = {span.context.span_id: span.name for span in spans.all}
    return [(span.name, span.parent and names.get(span.parent.span_id)) for span in spans.all]


def test_a_call_is_the_child_of_the_span_it_is_made_in(world, spans):
    client = traced(world, spans)
    with spans.tracer.start_as_current_span("handler"):
        client.get("/")
    assert parents(spans) == [
        ("GET", "resilient_client.request"),
        ("resilient_client.request", "handler"),
        ("handler", None),
    ]


def test_each_thread_has_its_own_parent(fault_server, spans):
    with Client("a", base_url=fault_server.url, listeners=[spans.listener], telemetry=False) as client:

        def work(number):
            with spans.tracer.start_as_current_span(f"thread {number}"):
                client.get("/", route=f"/{number}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_each_under_its_own(spans, "thread")


def test_each_task_has_its_own_parent(fault_server, spans):
    async def work(client, number):
        with spans.tracer.start_as_current_span(f"task {number}"):
            await client.get("/", route=f"/{number}")

    async def main():
        async with AsyncClient("a", base_url=fault_server.url, listeners=[spans.listener], telemetry=False) as client:
            await asyncio.gather(*(work(client, number) for number in range(8)))

    asyncio.run(main())
    assert_each_under_its_own(spans, "task")


def assert_each_under_its_own(spans, kind):
    by_id = {span.context.span_id: span for span in spans.all}
    for span in spans.exchanges:
        call = by_id[span.parent.span_id]
        outer = by_id[call.parent.span_id]
        assert span.name.removeprefix("GET /") == outer.name.removeprefix(f"{kind} ")
    assert len(spans.exchanges) == 8


def test_no_context_is_left_behind(world, spans):
    client = traced(world, spans, policy=Policy(retry=None))
    world.on("/bad", steps.reset())
    before = context.get_current()
    for url in ("/", "/bad"):
        client.get(url)
        assert context.get_current() is before
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_cancelled_task_leaves_ended_spans_without_an_error_and_no_context(fault_server, spans, caplog):
    fault_server.on("/", steps.hang())

    async def main():
        async with AsyncClient("a", base_url=fault_server.url, listeners=[spans.listener], telemetry=False) as client:
            task = asyncio.ensure_future(client.get("/"))
            await asyncio.to_thread(fault_server.journal.wait_until, lambda journal: journal.in_progress)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    exchange, call = spans.all
    assert (exchange.status.status_code, call.status.status_code) == (StatusCode.UNSET, StatusCode.UNSET)
    assert call.attributes["resilient_client.outcome"] == "cancelled"
    assert "Failed to detach" not in caplog.text


def test_a_coroutine_that_is_dropped_half_way_logs_nothing(spans, caplog):
    world = VirtualWorld()
    world.on("/", steps.hang())
    client = world.async_client(listeners=[spans.listener], telemetry=False)
    flow = world.spawn(client.get("/"))
    world.advance(0.1)
    flow._coroutine.close()
    assert "Failed to detach" not in caplog.text
    assert len(spans.all) == 2


def test_a_rejection_is_on_the_span_of_its_call(virtual, spans):
    client = traced(virtual, spans, policy=Policy(breaker=Breaker()))
    client.breaker("http://far.side").isolate()
    client.get("/")
    (call,) = spans.all
    assert [event.name for event in call.events] == ["resilient_client.rejected"]
    assert call.events[0].attributes["kind"] == "circuit_open"
    assert call.attributes["error.type"] == "circuit_open"
    assert call.status.status_code is StatusCode.ERROR


def test_a_full_bulkhead_is_on_the_span_of_its_call(spans):
    world = VirtualWorld()
    world.on("/", steps.hang())
    policy = Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1, max_waiting=0), timeouts=Timeouts(total=1))
    client = world.async_client(policy=policy, listeners=[spans.listener], telemetry=False)
    world.run(world.gather(client.get("/"), client.get("/")))
    rejected = [span for span in spans.calls if span.attributes["error.type"] == "bulkhead_full"]
    assert len(rejected) == 1
    assert rejected[0].attributes["resilient_client.outcome"] == "rejected"


def test_an_empty_budget_is_on_the_span_of_its_call(virtual, spans):
    virtual.on("/", steps.status(500))
    policy = Policy(retry=Retry(wait_initial=0, budget=RetryBudget(burst=0, ratio=0)))
    traced(virtual, spans, policy=policy).get("/")
    assert spans.calls[0].attributes["resilient_client.stopped"] == "budget"


def test_the_span_of_a_call_has_nothing_of_http(virtual, spans):
    traced(virtual, spans).get("/")
    assert not [name for name in spans.calls[0].attributes if name.startswith(("http.", "url.", "server."))]


def test_the_trace_goes_on_at_the_other_side(world, spans):
    world.on("/", steps.status(503), then=steps.ok())
    traced(world, spans, policy=Policy(retry=Retry(wait_initial=0.001, wait_max=0.001))).get("/")
    sent = [seen.traceparent.split("-")[1:3] for seen in world.journal.requests]
    assert sent == [[f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"] for span in spans.exchanges]


def test_baggage_of_the_application_travels_along(virtual, spans):
    from opentelemetry import baggage

    token = context.attach(baggage.set_baggage("tenant", "blue"))
    try:
        traced(virtual, spans).get("/")
    finally:
        context.detach(token)
    assert virtual.journal.requests[0].headers["baggage"] == "tenant=blue"


def run(code):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_without_an_sdk_a_trace_that_came_in_goes_on():
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert run(
        f"""
        from opentelemetry import context, propagate
        from resilient_client.testing import VirtualWorld
        world = VirtualWorld()
        token = context.attach(propagate.extract({{"traceparent": "{parent}"}}))
        world.client().get("/")
        context.detach(token)
        world.client().get("/")
        print(*(seen.traceparent for seen in world.journal.requests))
        """
    ) == [parent, "None"]


def test_an_sdk_that_is_set_up_after_the_client_was_made_is_heard_from_the_next_call_on():
    assert run(
        """
        from resilient_client.testing import VirtualWorld
        world = VirtualWorld()
        client = world.client()
        client.get("/")
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter, reader, provider = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        metrics.set_meter_provider(MeterProvider([reader]))
        client.get("/")
        print(len(exporter.get_finished_spans()))
        (resource,) = reader.get_metrics_data().resource_metrics
        names = {metric.name for scope in resource.scope_metrics for metric in scope.metrics}
        print("resilient_client.request.duration" in names)
        """
    ) == ["2", "True"]


def test_importing_and_calling_without_an_sdk_imports_no_opentelemetry():
    assert (
        run(
            """
        import sys
        from resilient_client.testing import VirtualWorld
        VirtualWorld().client().get("/")
        print(*sorted(name for name in sys.modules if name.startswith("opentelemetry") or name == "structlog"))
        """
        )
        == []
    )
