"""One point of a curve: `python -m bench.curves CURVE COUNT SECONDS URL` prints, as JSON, microseconds of CPU per call.

The calls go round robin over `COUNT` origins, clients, URLs or circuits, one at a time; or that many are in flight.
What sockets by hand cost under the same load is the part of a curve that is the kernel's and the processor's caches'.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final

from bench import load
from bench.cases import SMALL, Target
from bench.contenders import floor, ours
from bench.cores import CLIENT, on_core
from bench.layers import NoWire
from bench.limits import lacking, raise_limit
from bench.load import Measured
from resilient_client import Breaker, Client, Policy

KEPT: Final = 300.0
"""Seconds that idle connections live where many origins are called in turn."""

load.PATIENCE = 60.0  # ten thousand connections take their time


def in_flight(count: int, seconds: float, url: str, contender: Any = ours) -> Measured:
    """So many tasks at once."""
    target = Target(url, SMALL, count)

    async def run() -> Measured:
        async with contender.asynchronous(target) as get:
            return await load.asynchronous(get, target, seconds)

    return asyncio.run(run())


def in_flight_sockets(count: int, seconds: float, url: str) -> Measured:
    return in_flight(count, seconds, url, floor)


def origins(count: int, seconds: float, url: str) -> Measured:
    """One client for so many origins; each keeps a connection.

    For as long as it takes: with the seconds that an idle one is kept by default, a turn of ten thousand would come too
    late for its first, and what is measured would be connecting.
    """
    with Client("bench") as client:
        client._wire._transport._pool._keepalive = KEPT
        return in_turn([lambda one=one: client.get(one).unwrap() for one in addresses(count, url)], seconds)


def origins_sockets(count: int, seconds: float, url: str) -> Measured:
    with ExitStack() as stack:
        targets = [Target(one, SMALL, 1) for one in addresses(count, url)]
        return in_turn([stack.enter_context(floor.blocking(target)) for target in targets], seconds)


def addresses(count: int, url: str) -> list[str]:
    """Return so many URLs of the one server, each with a loopback address of its own."""
    port = url.rpartition(":")[2]
    return [f"http://127.{1 + place // 65536}.{place // 256 % 256}.{place % 256}:{port}/" for place in range(count)]


def clients(count: int, seconds: float, url: str) -> Measured:
    """So many clients of one server."""
    with ExitStack() as stack:
        made = [stack.enter_context(Client(f"bench-{number}", base_url=url)) for number in range(count)]
        return in_turn([lambda one=one: one.get("/").unwrap() for one in made], seconds)


def urls(count: int, seconds: float, url: str) -> Measured:
    """One client of one server that is asked for so many different things."""
    paths = [f"/orders/{number}" for number in range(count)]
    with Client("bench", base_url=url) as client:
        return in_turn([lambda one=one: client.get(one).unwrap() for one in paths], seconds)


def circuits(count: int, seconds: float, url: str) -> Measured:
    """So many circuits of one client, around a wire that does nothing."""
    client = Client("bench", base_url=url, wire=NoWire(), policy=Policy(breaker=Breaker(key="route")))
    names = [f"/of/{number}" for number in range(count)]
    return in_turn([lambda one=one: client.get("/x", route=one).unwrap() for one in names], seconds)


def in_turn(calls: list[Callable[[], Any]], seconds: float) -> Measured:
    """Make every call once, then again and again for `seconds`."""
    for call in calls:
        call()
    turns = cycle(calls)
    for _ in range(200):
        next(turns)()
    return counted(turns, seconds)


def counted(calls: Iterator[Callable[[], Any]], seconds: float) -> Measured:
    requests, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < started + seconds:
        for _ in range(20):
            next(calls)()
        requests += 20
    return Measured(requests, time.perf_counter() - started, time.process_time() - cpu)


@dataclass(frozen=True)
class Curve:
    """What grows, to how much of it, and what the floor of it is."""

    title: str
    run: Callable[[int, float, str], Measured]
    counts: tuple[int, ...]
    connects: bool = True
    """Whether each of them has a connection of its own."""
    apart: bool = False
    """Whether each of those goes to another address."""
    floor_of: str = ""


TO_TEN_THOUSAND: Final = (1, 10, 100, 1_000, 10_000)
CURVES: Final = {
    "in_flight": Curve("Calls in flight", in_flight, TO_TEN_THOUSAND),
    "in_flight_sockets": Curve("- sockets by hand", in_flight_sockets, TO_TEN_THOUSAND, floor_of="in_flight"),
    "origins": Curve("Origins of one client", origins, TO_TEN_THOUSAND, apart=True),
    "origins_sockets": Curve("- sockets by hand", origins_sockets, TO_TEN_THOUSAND, apart=True, floor_of="origins"),
    "clients": Curve("Clients in one process", clients, (1, 10, 100, 1_000)),
    "urls": Curve("Different URLs of one server", urls, TO_TEN_THOUSAND, connects=False),
    "circuits": Curve("Circuits of one client, no wire", circuits, (*TO_TEN_THOUSAND, 100_000), connects=False),
}


def main(curve: str, count: str, seconds: str, url: str) -> None:
    on_core(CLIENT)
    raise_limit()
    one, many = CURVES[curve], int(count)
    problem = lacking(many, origins=many if one.apart else 1) if one.connects else ""
    found = {"absent": problem} if problem else one.run(many, float(seconds), url).as_json()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
