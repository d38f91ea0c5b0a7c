"""What the policy layers cost per call, around a wire that does nothing."""

from __future__ import annotations

import asyncio
import gc
import time
from statistics import median
from typing import Any, Final

import opentelemetry.trace

from bench.machine import machine
from bench.report import Table, number
from resilient_client import AsyncClient, Breaker, Client, Policy
from resilient_client.exchange import Answer
from resilient_client.headers import Headers

assert opentelemetry.trace

HEADERS: Final = Headers([("Content-Type", "text/plain")])


class NoBody:
    async def read(self) -> bytes:
        return b""

    def abort(self) -> None:
        return


class NoWire:
    async def send(self, request, limits, *, fresh, hops):
        return Answer(200, HEADERS, NoBody())

    async def close(self) -> None:
        return


def runs() -> dict[str, Any]:
    """Return what is measured: functions that make so many calls."""
    client = Client("bench", base_url="http://far.side", wire=NoWire())
    again = AsyncClient("bench", base_url="http://far.side", wire=NoWire())
    isolated = Client("bench", base_url="http://far.side", wire=NoWire(), policy=Policy(breaker=Breaker()))
    isolated.breaker().isolate()
    loop = asyncio.new_event_loop()

    def layers(one):
        call, pipeline = one._call("GET", "/x", None, {})

        def run():
            call.attempts.clear()
            call.started = call.mark = call.now = one._backend.now()
            return pipeline(call)

        return run

    blocking_layers, async_layers, rejected_layers = layers(client), layers(again), layers(isolated)

    def many(one):
        def go(count):
            for _ in range(count):
                one()

        return go

    def many_async(one):
        async def go(count):
            for _ in range(count):
                await one()

        return lambda count: loop.run_until_complete(go(count))

    return {
        "layers alone, blocking": many(lambda: client._backend.run(blocking_layers())),
        "layers alone, asynchronous": many_async(async_layers),
        "layers alone, rejected by an open circuit": many(lambda: isolated._backend.run(rejected_layers())),
        "whole call, blocking": many(lambda: client.get("/x")),
        "whole call, asynchronous": many_async(lambda: again.get("/x")),
        "whole call, rejected by an open circuit": many(lambda: isolated.get("/x")),
    }


def measure(*, rounds: int = 15, count: int = 4_000) -> dict[str, Any]:
    """Return CPU microseconds per call, one per round, taken turn by turn."""
    made = runs()
    taken: dict[str, list[float]] = {name: [] for name in made}
    for run in made.values():
        run(count)
    for _ in range(rounds):
        for name, run in made.items():
            gc.collect()
            started = time.process_time()
            run(count)
            taken[name].append(round((time.process_time() - started) / count * 1e6, 3))
    return {"machine": machine(), "settings": {"rounds": rounds, "count": count}, "us": taken}


def tables(found: dict[str, Any]) -> list[Table]:
    rows = [(name, number(median(values), 1), number(min(values), 1)) for name, values in found["us"].items()]
    header = ("", "CPU us per call", "lowest of the rounds")
    return [Table("Policies around a wire that does nothing", header, rows, "layers")]
