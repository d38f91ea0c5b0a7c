"""What the policy layers cost per call, around a wire that does nothing."""

from __future__ import annotations

import asyncio
import time
from statistics import median

from resilient_client import AsyncClient, Breaker, Client, Policy
from resilient_client.exchange import Answer
from resilient_client.headers import Headers

HEADERS = Headers([("Content-Type", "text/plain")])


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


def per_call(run, count: int) -> float:
    started = time.perf_counter()
    run(count)
    return (time.perf_counter() - started) / count * 1e6


def best_of(run, count: int = 5_000, rounds: int = 15) -> float:
    run(count)
    return median(per_call(run, count) for _ in range(rounds))


def measure() -> dict[str, float]:
    """Return microseconds per call: the layers alone, the whole call, and a rejected call."""
    client = Client("bench", base_url="http://far.side", wire=NoWire())
    again = AsyncClient("bench", base_url="http://far.side", wire=NoWire())
    isolated = Client("bench", base_url="http://far.side", wire=NoWire(), policy=Policy(breaker=Breaker()))
    isolated.breaker().isolate()
    loop = asyncio.new_event_loop()

    def layers(one):
        call, pipeline = one._call("GET", "/x", None, {})

        async def run():
            call.attempts.clear()
            call.started = call.mark = one._backend.now()
            return await pipeline(call)

        return run

    blocking_layers, async_layers = layers(client), layers(again)

    def many_async(one):
        async def go(count):
            for _ in range(count):
                await one()

        return lambda count: loop.run_until_complete(go(count))

    measured = {
        "layers alone, blocking": best_of(lambda count: [client._backend.run(blocking_layers()) for _ in range(count)]),
        "layers alone, asynchronous": best_of(many_async(async_layers)),
        "whole call around no wire, blocking": best_of(lambda count: [client.get("/x") for _ in range(count)]),
        "whole call around no wire, asynchronous": best_of(many_async(lambda: again.get("/x"))),
        "whole call rejected by an open circuit": best_of(lambda count: [isolated.get("/x") for _ in range(count)]),
    }
    loop.close()
    return measured
