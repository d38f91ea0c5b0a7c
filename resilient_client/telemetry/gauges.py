"""Gauges: the state of every open client, read when somebody collects, through weak references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Observation

from resilient_client.state import BulkheadState
from resilient_client.telemetry.bounded import Bounded
from resilient_client.telemetry.population import open_clients

if TYPE_CHECKING:
    from resilient_client.base_client import BaseClient

STATES: Final = ("closed", "open", "half-open", "isolated")

Read = Callable[["BaseClient"], Iterable[tuple[float, dict[str, str]]]]


def observe_clients(meter: Any) -> None:
    """Make the gauges; `meter` asks them whenever it collects."""
    names = Bounded()

    def circuits(client: BaseClient) -> Iterator[tuple[float, dict[str, str]]]:
        for name, circuit in client.state().circuits.items():
            for state in STATES:
                yield float(circuit.state == state), {"name": names(name), "state": state}

    meter.create_observable_gauge(
        "resilient_client.circuit_breaker.state",
        [_asked(circuits)],
        "{circuit}",
        "1 for the state that a circuit is in, 0 for the others.",
    )
    meter.create_observable_up_down_counter(
        "resilient_client.bulkhead.usage", [_asked(_usage)], "{call}", "Attempts on the wire."
    )
    meter.create_observable_up_down_counter(
        "resilient_client.bulkhead.limit", [_asked(_limit)], "{call}", "Attempts that may be on the wire."
    )
    meter.create_observable_up_down_counter(
        "resilient_client.bulkhead.queued", [_asked(_queued)], "{call}", "Callers that wait for a permit."
    )
    meter.create_observable_gauge(
        "resilient_client.retry_budget.available", [_asked(_budget)], "{token}", "Tokens that retries may take."
    )


def _usage(client: BaseClient) -> Iterator[tuple[float, dict[str, str]]]:
    yield from ((bulkhead.in_use, {"name": name}) for name, bulkhead in _bulkheads(client))


def _limit(client: BaseClient) -> Iterator[tuple[float, dict[str, str]]]:
    yield from ((bulkhead.limit, {"name": name}) for name, bulkhead in _bulkheads(client))


def _queued(client: BaseClient) -> Iterator[tuple[float, dict[str, str]]]:
    yield from ((bulkhead.queued, {"name": name}) for name, bulkhead in _bulkheads(client))


def _bulkheads(client: BaseClient) -> Iterator[tuple[str, BulkheadState]]:
    """Yield the client's own bulkhead under its name, and those of its routes under client and route."""
    state = client.state()
    if state.permits_in_use is not None and state.permits is not None and state.queued is not None:
        yield client.name, BulkheadState(state.permits_in_use, state.permits, state.queued)
    yield from ((f"{client.name} {route}", bulkhead) for route, bulkhead in state.bulkheads.items())


def _budget(client: BaseClient) -> Iterator[tuple[float, dict[str, str]]]:
    budget = client.state().budget
    if budget is not None:
        yield budget, {}


def _asked(read: Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return a callback over all open clients; what has the same attributes is added up."""

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        sums: defaultdict[tuple[tuple[str, str], ...], float] = defaultdict(float)
        for client in open_clients():
            for value, attributes in read(client):
                sums[(("resilient_client.client.name", client.name), *attributes.items())] += value
        return [Observation(value, dict(attributes)) for attributes, value in sums.items()]

    return observe
