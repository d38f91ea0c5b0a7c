"""Makes calls, sends their spans over OTLP and prints as JSON what the servers saw; test_otlp.py runs it as a program.

`otlp_child.py plain` plays every scene. `otlp_child.py own before` and the like play some of them with OpenTelemetry's
instrumentation of httpx active: `own` or `delegate` is the option of the clients, `before` or `after` says when httpx
was instrumented, seen from the import of resilient_client.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

MODE, WHEN = [*sys.argv[1:], "never"][:2]

if WHEN == "before":
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

    HTTPXClientInstrumentor().instrument()

from resilient_client import AsyncClient, Breaker, Bulkhead, Client, Policy, Retry, Timeouts
from resilient_client.testing import FaultServer, steps
from resilient_client.testing.script import Pause

if WHEN == "after":
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

    HTTPXClientInstrumentor().instrument()

ONCE = Policy(retry=None)
QUICK = Policy(retry=Retry(wait_initial=0.01, wait_max=0.01))

tracer = trace.get_tracer("the application")


class Blocking:
    name = "blocking"
    make = Client

    def finish(self, result):
        return result

    def close(self, client):
        client.close()

    def side_by_side(self, *calls):
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(lambda call: call(), calls))

    def meanwhile(self, call, then):
        with ThreadPoolExecutor(1) as pool:
            began = pool.submit(call)
            return [then(), began.result()]

    def inside(self, span, call):
        def calling():
            with tracer.start_as_current_span(span):
                result = call()
                assert trace.get_current_span().name == span
                return result

        return calling


class Asynchronous:
    name = "asynchronous"
    make = AsyncClient

    def __init__(self):
        self.runner = asyncio.Runner()

    def finish(self, call):
        return self.runner.run(self._awaited(call))

    async def _awaited(self, call):
        result = await call
        assert trace.get_current_span() is trace.INVALID_SPAN
        return result

    def close(self, client):
        self.runner.run(client.close())

    def side_by_side(self, *calls):
        async def all_of_them():
            return await asyncio.gather(*(call() for call in calls))

        return self.runner.run(all_of_them())

    def meanwhile(self, call, then):
        async def both():
            began = asyncio.create_task(call())
            await asyncio.sleep(0)
            answer = await then()
            return [answer, await began]

        return self.runner.run(both())

    def inside(self, span, call):
        async def calling():
            with tracer.start_as_current_span(span):
                result = await call()
                assert trace.get_current_span().name == span
                return result

        return calling


class Scene:
    """One server and one client, whose name is that of the facade and of the scene."""

    def __init__(self, facade: Any, name: str) -> None:
        self.facade = facade
        self.name = f"{facade.name} {name}"
        self.results: list[Any] = []
        self.server: Any = None
        self.client: Any = None

    def meets(self, *, tls: dict[str, Any] | None = None, **routes: Any) -> None:
        """Start the server; a route's name is its path."""
        self.server = FaultServer(**tls or {})
        self.server.start()
        for path, given in routes.items():
            self.server.on(f"/{path}", *(given if isinstance(given, tuple) else (given,)))

    def with_client(self, policy: Policy = QUICK, **options: Any) -> None:
        if MODE != "plain":
            options.setdefault("http_spans", MODE)
        self.client = self.facade.make(self.name, policy=policy, **{"base_url": self.server.url, **options})

    def request(self, method: str, url: str, **options: Any) -> None:
        self.results.append(self.facade.finish(self.client.request(method, url, **options)))

    def close(self) -> None:
        self.facade.close(self.client)
        self.server.stop()

    def report(self) -> dict[str, Any]:
        return {
            "port": self.address[1],
            "host": self.address[0],
            "results": [str(result.kind) if not result else result.status for result in self.results],
            "requests": [
                {"method": seen.method, "target": seen.target, "traceparents": seen.headers.get_list("traceparent")}
                for seen in self.server.journal.requests
            ],
        }

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.server.url.partition("//")[2].partition(":")
        return host, int(port)


def once(true, step):
    """Answer as `step` does as soon as it is true."""

    def play(request):
        while not true():
            yield Pause(0.005)
        yield from step(request)

    return play


def success(scene):
    scene.meets(**{"orders/42": steps.ok()})
    scene.with_client()
    scene.request("GET", "/orders/42?token=s3cret&page=2", route="/orders/{id}")


def retry_then_success(scene):
    scene.meets(x=(steps.status(500), steps.ok()))
    scene.with_client()
    scene.request("GET", "/x")


def exhausted(scene):
    scene.meets(x=steps.status(502))
    scene.with_client()
    scene.request("GET", "/x")


def attempt_timeout(scene):
    scene.meets(x=(steps.hang(), steps.ok()))
    scene.with_client(Policy(timeouts=Timeouts(attempt=0.8), retry=QUICK.retry))
    scene.request("GET", "/x")


def deadline(scene):
    scene.meets(x=steps.hang())
    scene.with_client(Policy(timeouts=Timeouts(total=0.8)))
    scene.request("GET", "/x")


def circuit_open(scene):
    scene.meets(x=steps.status(500))
    scene.with_client(Policy(retry=None, breaker=Breaker(consecutive=1)))
    scene.request("GET", "/x")
    scene.request("GET", "/x")


def bulkhead_full(scene):
    refused = threading.Event()
    scene.meets(x=once(refused.is_set, steps.ok()))
    scene.with_client(Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1, max_waiting=0)))

    def call():
        return scene.client.get("/x")

    def once_it_has_come():
        scene.server.journal.wait_until(lambda journal: journal.count() == 1)
        result = call()
        refused.set()
        return result

    async def later():
        while scene.server.journal.count() == 0:
            await asyncio.sleep(0.005)
        result = await call()
        refused.set()
        return result

    scene.results += scene.facade.meanwhile(call, once_it_has_come if scene.facade.name == "blocking" else later)


def redirects(scene):
    scene.meets(a=steps.redirect("/b"), b=steps.redirect("/c", 307), c=steps.ok())
    scene.with_client(Policy(redirects=5))
    scene.request("GET", "/a", route="/{letter}")


def post_not_retried(scene):
    scene.meets(x=steps.status(500))
    scene.with_client()
    scene.request("POST", "/x")


def not_found(scene):
    scene.meets(x=steps.status(404))
    scene.with_client()
    scene.request("GET", "/x")


def expected_not_found(scene):
    scene.meets(x=steps.status(404))
    scene.with_client()
    scene.request("GET", "/x", expect={200, 404})


def unknown_method(scene):
    scene.meets(x=steps.ok())
    scene.with_client()
    scene.request("PURGE", "/x")
    scene.request("PURGE", "/x", route="/{what}")


def inside_a_span(scene):
    scene.meets(x=(steps.status(500), steps.ok()))
    scene.with_client()
    call = scene.facade.inside("handle " + scene.name, lambda: scene.client.get("/x"))
    scene.results += scene.facade.side_by_side(call)


def two_at_once(scene):
    step = once(lambda: scene.server.journal.count() == 2, steps.ok())
    scene.meets(a=step, b=step)
    scene.with_client()
    calls = [
        scene.facade.inside(f"{letter} {scene.name}", lambda letter=letter: scene.client.get(f"/{letter}"))
        for letter in "ab"
    ]
    scene.results += scene.facade.side_by_side(*calls)


def two_calls(scene):
    scene.meets(x=steps.ok())
    scene.with_client()
    scene.request("GET", "/x")
    scene.request("GET", "/x")


def reset(scene):
    scene.meets(x=steps.reset())
    scene.with_client(ONCE)
    scene.request("GET", "/x")


def refused(scene):
    scene.meets(x=steps.ok())
    scene.with_client(ONCE)
    scene.server.down()
    scene.request("GET", "/x")
    scene.server.up()


def stale_connection(scene):
    scene.meets(x=(steps.ok(), steps.close(), steps.ok()))
    scene.with_client(ONCE)
    scene.request("GET", "/x")
    scene.request("GET", "/x")


def digest(scene):
    scene.meets(x=steps.require_digest())
    scene.with_client()
    from httpx import DigestAuth

    scene.request("GET", "/x", auth=DigestAuth("me", "s3cret"))


def tls(scene):
    scene.meets(tls={"tls": "valid"}, x=steps.ok())
    scene.with_client(verify=scene.server.client_context())
    scene.request("GET", "/x")


def delegated_to_nobody(scene):
    scene.meets(x=(steps.status(500), steps.ok()))
    scene.with_client(http_spans="delegate")
    scene.request("GET", "/x")


def cancelled(scene):
    scene.meets(x=steps.hang())
    scene.with_client()

    async def leave():
        call = asyncio.create_task(scene.client.get("/x"))
        while scene.server.journal.count() == 0:
            await asyncio.sleep(0.005)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()

    scene.facade.runner.run(leave())


def http2(scene):
    scene.meets(tls={"http2": True}, x=steps.ok())
    scene.with_client(http2=True, verify=scene.server.client_context())
    scene.request("GET", "/x")


SOME = (success, retry_then_success, attempt_timeout, redirects, reset, two_at_once)
EVERY = (
    *(*SOME, exhausted, deadline, circuit_open, bulkhead_full, post_not_retried, not_found, expected_not_found),
    *(unknown_method, inside_a_span, two_calls, refused, stale_connection, digest, tls, delegated_to_nobody),
)
ASYNCHRONOUS_ONLY = (cancelled, http2)


def others_call(server):
    """A call that the application makes with httpx itself; it is instrumented or not, as it would be without us."""
    import httpx

    httpx.get(f"{server.url}/text", trust_env=False)


def main():
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    report = {}
    for facade in (Blocking(), Asynchronous()):
        plays = SOME if MODE != "plain" else EVERY + ASYNCHRONOUS_ONLY * (facade.name == "asynchronous")
        for play in plays:
            scene = Scene(facade, play.__name__)
            play(scene)
            assert trace.get_current_span() is trace.INVALID_SPAN
            report[scene.name] = scene.report()
            scene.close()
    with FaultServer() as server:
        others_call(server)
    provider.shutdown()
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
