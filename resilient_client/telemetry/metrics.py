"""Metrics: what every attempt and every call took and came to, and gauges of the state; OpenTelemetry's API only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from resilient_client.events import (
    AttemptEnded,
    CallCancelled,
    CallGivenUp,
    CallInfo,
    CallSucceeded,
    CircuitChanged,
    CircuitCounted,
    ConfigReloaded,
    ConfigReloadFailed,
    Event,
    ExchangeEnded,
    Listener,
    PermitAwaited,
    Rejected,
    RetryScheduled,
)
from resilient_client.result import FailureKind
from resilient_client.telemetry.bounded import OTHER, Bounded, method_of
from resilient_client.telemetry.gauges import STATES, observe_clients
from resilient_client.telemetry.tracing import error_type, outcome_of
from resilient_client.telemetry.version import NAME, SCHEMA, VERSION

DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Bucket bounds in seconds, those that the HTTP conventions advise."""

OF_CALLS: Final = (*DURATIONS, 15, 30, 60)
"""Calls may take as long as their deadline, which is 30 s by default."""

RETRIES: Final = (1, 2, 3, 4, 5, 10)

TIMEOUTS: Final = {
    FailureKind.CONNECT_TIMEOUT: "connect",
    FailureKind.POOL_TIMEOUT: "pool",
    FailureKind.READ_TIMEOUT: "read",
    FailureKind.WRITE_TIMEOUT: "write",
    FailureKind.ATTEMPT_TIMEOUT: "attempt",
    FailureKind.DEADLINE: "total",
}
"""Kinds of timeouts, and the key of `Timeouts` that bounds them."""

Attributes = dict[str, str | int]


class Metrics:
    """The listener that measures.

    `meter_provider` stands in for the global one, for a client that is made with `telemetry=False,
    listeners=[Metrics(...)]`.
    """

    def __init__(self, *, meter_provider: MeterProvider | None = None) -> None:
        meter = metrics.get_meter(NAME, VERSION, meter_provider, SCHEMA)
        self._origins = Bounded()
        self._circuits = Bounded()
        self._begun: set[tuple[str, str]] = set()
        self._make_instruments(meter)
        observe_clients(meter)
        self.hears: Mapping[type, Listener] = {
            ExchangeEnded: self._exchange_ended,
            AttemptEnded: self._attempt_ended,
            RetryScheduled: self._retry_scheduled,
            PermitAwaited: self._permit_awaited,
            Rejected: self._rejected,
            CircuitCounted: self._circuit_counted,
            CircuitChanged: self._circuit_changed,
            ConfigReloaded: self._config_reloaded,
            ConfigReloadFailed: self._config_reload_failed,
            CallSucceeded: self._succeeded,
            CallGivenUp: self._given_up,
            CallCancelled: self._cancelled,
        }

    def _make_instruments(self, meter: Any) -> None:
        def histogram(name: str, unit: str, meaning: str, bounds: tuple[float, ...] = DURATIONS) -> Any:
            return meter.create_histogram(name, unit, meaning, explicit_bucket_boundaries_advisory=bounds)

        self._exchange = histogram("http.client.request.duration", "s", "Duration of HTTP client requests.")
        self._call = histogram(
            "resilient_client.request.duration", "s", "Duration of calls, attempts and pauses.", OF_CALLS
        )
        self._retries = histogram(
            "resilient_client.request.retries", "{retry}", "Retries of a call that had any.", RETRIES
        )
        self._delay = histogram("resilient_client.request.retry_delay", "s", "Pauses before attempts.")
        self._decisions = meter.create_counter(
            "resilient_client.retry.decisions", "{decision}", "What was decided after a failed attempt."
        )
        self._transitions = meter.create_counter(
            "resilient_client.circuit_breaker.transitions", "{transition}", "Changes of a circuit, by the new state."
        )
        self._counted = meter.create_counter(
            "resilient_client.circuit_breaker.calls", "{call}", "What circuits let through, and what they rejected."
        )
        self._rejections = meter.create_counter(
            "resilient_client.bulkhead.rejections", "{call}", "Attempts that found no permit and no room to wait."
        )
        self._waits = histogram("resilient_client.bulkhead.wait.duration", "s", "Waits for a permit.")
        self._timeouts = meter.create_counter(
            "resilient_client.timeouts", "{attempt}", "Attempts that a timeout ended, by the timeout."
        )

        self._reloads = meter.create_counter(
            "resilient_client.config.reloads", "{reload}", "Policy files that were read again, and how that ended."
        )

    def __call__(self, event: Event) -> None:
        """Measure an event."""
        self.hears[type(event)](event)

    def _of_call(self, call: CallInfo) -> Attributes:
        address = call.host if self._origins.admits((call.host, call.port)) else OTHER
        return {"resilient_client.client.name": call.client, "server.address": address}

    # Each request on the wire.

    def _exchange_ended(self, event: ExchangeEnded) -> None:
        exchange = event.exchange
        attributes: Attributes = {"http.request.method": method_of(exchange.method)}
        if self._origins.admits((exchange.host, exchange.port)):
            attributes["server.address"] = exchange.host
            attributes["server.port"] = exchange.port
        else:
            attributes["server.address"] = OTHER
        if event.status is not None:
            attributes["http.response.status_code"] = event.status
        error = None if event.cancelled else error_type(event)
        if error is not None:
            attributes["error.type"] = error
        self._exchange.record(event.elapsed, attributes)

    def _attempt_ended(self, event: AttemptEnded) -> None:
        kind = event.attempt.kind
        if kind is not None and kind in TIMEOUTS:
            self._timeouts.add(1, {**self._of_call(event.call), "scope": TIMEOUTS[kind]})

    # Each call.

    def _succeeded(self, event: CallSucceeded) -> None:
        self._ended(event.call, event.result.elapsed, {"outcome": "success"})

    def _given_up(self, event: CallGivenUp) -> None:
        failure = event.result
        outcome = outcome_of(failure.kind, failure.status)
        self._ended(event.call, failure.elapsed, {"outcome": outcome, "error.type": str(failure.kind)})
        reason = {"decision": str(failure.stopped), "reason": str(failure.kind)}
        self._decisions.add(1, {**self._of_call(event.call), **reason})

    def _cancelled(self, event: CallCancelled) -> None:
        self._ended(event.call, event.elapsed, {"outcome": "cancelled"})

    def _ended(self, call: CallInfo, elapsed: float, more: Attributes) -> None:
        attributes = {**self._of_call(call), **more}
        self._call.record(elapsed, attributes)
        if call.retries:
            self._retries.record(call.retries, {**self._of_call(call), "outcome": more["outcome"]})

    # What the policies said.

    def _retry_scheduled(self, event: RetryScheduled) -> None:
        of_call = self._of_call(event.call)
        self._delay.record(event.delay, of_call)
        self._decisions.add(1, {**of_call, "decision": "scheduled", "reason": str(event.attempt.kind)})

    def _permit_awaited(self, event: PermitAwaited) -> None:
        self._waits.record(event.seconds, {**self._of_call(event.call), "name": event.bulkhead})

    def _rejected(self, event: Rejected) -> None:
        if event.kind is FailureKind.BULKHEAD_FULL:
            self._rejections.add(1, {**self._of_call(event.call), "name": event.by})

    def _circuit_counted(self, event: CircuitCounted) -> None:
        name = self._circuits(event.circuit)
        self._begin(event.call.client, name)
        self._counted.add(1, {**self._of_call(event.call), "name": name, "outcome": event.outcome})

    def _begin(self, client: str, name: str) -> None:
        """Begin counting at zero, so that the first change is an increase and not the beginning of a series."""
        if (client, name) not in self._begun:
            self._begun.add((client, name))
            for state in STATES:
                attributes = {"resilient_client.client.name": client, "name": name, "state": state}
                self._transitions.add(0, attributes)

    def _config_reloaded(self, event: ConfigReloaded) -> None:  # noqa: ARG002 - its outcome is its type
        self._reloads.add(1, {"outcome": "success"})

    def _config_reload_failed(self, event: ConfigReloadFailed) -> None:  # noqa: ARG002 - likewise
        self._reloads.add(1, {"outcome": "failure"})

    def _circuit_changed(self, event: CircuitChanged) -> None:
        name = self._circuits(event.circuit)
        client = {"resilient_client.client.name": event.client}
        self._transitions.add(1, {**client, "name": name, "state": event.after})
