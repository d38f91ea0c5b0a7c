"""One point of a curve: `python -m bench.curves CURVE COUNT SECONDS URL` prints microseconds of CPU per call.

The calls go round robin over `COUNT` origins, clients or circuits, one at a time; or `COUNT` of them are in flight.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from typing import Any, Final

from bench import load
from bench.cases import SMALL, Target
from bench.contenders import ours
from bench.cores import CLIENT, on_core
from bench.layers import NoWire
from bench.load import Measured
from resilient_client import Breaker, Bulkhead, Client, Policy, Timeouts

load.PATIENCE = 60.0


def in_flight(count: int, seconds: float, url: str) -> Measured:
    """So many tasks at once."""
    target = Target(url, SMALL, count)
    patient = Timeouts(connect=60, read=60, attempt=60, total=60)  # so many connections at once take their time
    policy = Policy(timeouts=patient, bulkhead=Bulkhead(max_concurrent=count))

    async def run() -> Measured:
        async with ours.asynchronous(target, policy=policy) as get:
            return await load.asynchronous(get, target, seconds)

    return asyncio.run(run())


def origins(count: int, seconds: float, url: str) -> Measured:
    """One client for so many origins; each keeps a connection."""
    port = url.rpartition(":")[2]
    urls = [f"http://127.{1 + place // 65536}.{place // 256 % 256}.{place % 256}:{port}/" for place in range(count)]
    with Client("bench") as client:
        return in_turn([lambda one=one: client.get(one).unwrap() for one in urls], seconds)


def clients(count: int, seconds: float, url: str) -> Measured:
    """So many clients of one server."""
    with ExitStack() as stack:
        made = [stack.enter_context(Client(f"bench-{number}", base_url=url)) for number in range(count)]
        return in_turn([lambda one=one: one.get("/").unwrap() for one in made], seconds)


def circuits(count: int, seconds: float, url: str) -> Measured:
    """So many circuits of one client, around a wire that does nothing."""
    client = Client("bench", base_url=url, wire=NoWire(), policy=Policy(breaker=Breaker(key="route")))
    names = [f"/of/{number}" for number in range(count)]
    return in_turn([lambda one=one: client.get("/x", route=one) for one in names], seconds)


def in_turn(calls: list[Callable[[], Any]], seconds: float) -> Measured:
    """Make every call once, then again and again for `seconds`."""
    for call in calls:
        call()
    for call, _ in zip(cycle(calls), range(200), strict=False):
        call()
    return counted(cycle(calls), seconds)


def counted(calls: Iterator[Callable[[], Any]], seconds: float) -> Measured:
    requests, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < started + seconds:
        for _ in range(20):
            next(calls)()
        requests += 20
    return Measured(requests, time.perf_counter() - started, time.process_time() - cpu)


CURVES: Final = {curve.__name__: curve for curve in (in_flight, origins, clients, circuits)}


def main(curve: str, count: str, seconds: str, url: str) -> None:
    on_core(CLIENT)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(CURVES[curve](int(count), float(seconds), url).as_json()["cpu_us"], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
