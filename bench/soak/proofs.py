"""What must hold when everything is quiet again: nothing is held, everything can be taken, and works."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.soak.places import Place
from resilient_client.wire.pool import MAX_IDLE


def idle_connections(client: Any) -> int:
    return client._wire._transport._pool.idle


def of_state(place: Place) -> list[str]:
    """Return what a place's clients still hold."""
    found = []
    for client in place.clients:
        state = client.state()
        if state.permits_in_use or state.queued:
            found.append(f"{place.name}: {state.permits_in_use} permits in use, {state.queued} callers queued")
        if idle_connections(client) > MAX_IDLE:
            found.append(f"{place.name}: {idle_connections(client)} idle connections")
    kernels = place.clients[0].kernels
    for circuits in kernels._circuits.values():
        found += [f"{place.name}: a probe of {one.key} never came back" for one in circuits.all() if one._probes]
    for settings, budget in kernels._budgets.items():
        if not 0 <= budget._balance <= settings.burst + settings.ratio * budget._calls.calls + 1e-6:
            found.append(f"{place.name}: the retry budget holds {budget._balance} tokens")
    return found


def _verdict(place: Place, who: str, results: list[Any]) -> list[str]:
    bad = [result.summary() for result in results if not result.ok]
    return [f"{place.name}: {len(bad)} of {len(results)} calls of {who} at once failed: {bad[0]}"] if bad else []


def _permits(place: Place) -> int:
    place.clients[0].breaker().close()
    return place.clients[0].state().permits


async def by_tasks(place: Place, number: int) -> list[str]:
    """Return what is wrong with as many calls at once as there are permits, from tasks."""
    client = place.tasks.client
    results = await asyncio.gather(*(client.get(f"/plain/{number}") for _ in range(_permits(place))))
    return _verdict(place, "tasks", results)


def by_threads(place: Place, number: int) -> list[str]:
    """Return what is wrong with as many calls at once as there are permits, from threads."""
    count = _permits(place)
    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(lambda _: place.threads.client.get(f"/plain/{number}"), range(count)))
    return _verdict(place, "threads", results)
