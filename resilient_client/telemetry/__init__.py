"""Who listens by default: tracing, metrics and logs. Nothing else in the package knows OpenTelemetry or structlog.

Neither library is imported before the application has done so: without an SDK nothing is measured, and what nobody
hears is not built. Every call looks anew whether a tracer or a meter provider has been set meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from resilient_client.events import CircuitChanged, ConfigReloaded, ConfigReloadFailed, Heard, Listener, audience
from resilient_client.telemetry.everywhere import EVERYWHERE
from resilient_client.telemetry.logs import Logs

if TYPE_CHECKING:
    from resilient_client.base_client import BaseClient

HttpSpans = Literal["own", "delegate"]

LOGS: Final = Logs()


def tracer_provider() -> object | None:
    """Return the tracer provider that the application has set; None without an SDK."""
    trace = sys.modules.get("opentelemetry.trace")
    return None if trace is None else getattr(trace, "_TRACER_PROVIDER", None)


def meter_provider() -> object | None:
    """Return the meter provider that the application has set; None without an SDK."""
    metrics = sys.modules.get("opentelemetry.metrics._internal")
    return None if metrics is None else getattr(metrics, "_METER_PROVIDER", None)


def carries_context() -> bool:
    """Return whether somebody further up has put this call into a trace, or has given it baggage."""
    context = sys.modules.get("opentelemetry.context")
    return context is not None and bool(context.get_current())


@cache
def span_maker(http_spans: HttpSpans) -> Listener:
    """Return the listener that makes spans; one for all clients."""
    from resilient_client.telemetry.tracing import Tracing  # noqa: PLC0415 - imports OpenTelemetry

    return Tracing(http_spans)


@cache
def measurer() -> Listener:
    """Return the listener that measures; one for all clients."""
    from resilient_client.telemetry.metrics import Metrics  # noqa: PLC0415 - imports OpenTelemetry

    return Metrics()


class Measured:
    """Tells the metrics of what happens seldom, once there is a meter provider."""

    hears = (CircuitChanged, ConfigReloaded, ConfigReloadFailed)

    def __call__(self, event: CircuitChanged | ConfigReloaded | ConfigReloadFailed) -> None:
        """Pass the event on when somebody measures."""
        if meter_provider() is not None:
            measurer()(event)


MEASURED: Final = Measured()

ALWAYS: Final[tuple[Listener, ...]] = (LOGS, MEASURED, EVERYWHERE)
"""Who hears of what happens seldom, by whoever's call it happens."""


def of_configuration(listeners: Iterable[Listener]) -> Heard:
    """Return who hears of a policy file that is read again."""
    heard = audience((*listeners, *ALWAYS))
    return {kind: heard[kind] for kind in (ConfigReloaded, ConfigReloadFailed) if kind in heard}


class Made:
    """What an audience has made of its own listeners and of those that listen everywhere."""

    __slots__ = ("everywhere", "heard", "silent")

    def __init__(self, lasting: tuple[Listener, ...], everywhere: tuple[Listener, ...]) -> None:
        self.everywhere = everywhere
        self.silent = audience((*lasting, *everywhere))
        self.heard: dict[tuple[bool, bool], Heard] = {}


class Audience:
    """Who hears of the calls of one client, looked up at each call."""

    def __init__(self, listeners: tuple[Listener, ...], *, standard: bool, http_spans: HttpSpans) -> None:
        self._own = listeners
        self.standard = standard
        self._http_spans = http_spans
        self._made = Made(self.lasting, ())

    @property
    def lasting(self) -> tuple[Listener, ...]:
        """Who listens whether there is an SDK or not."""
        return (*self._own, *ALWAYS) if self.standard else self._own

    def now(self) -> Heard:
        """Return who hears of a call that begins now."""
        made = self._made
        if not self.standard:
            return made.silent
        if made.everywhere is not EVERYWHERE.listeners:
            made = self._made = Made(self.lasting, EVERYWHERE.listeners)
        traced = tracer_provider() is not None or carries_context()
        measured = meter_provider() is not None
        if not traced and not measured:
            return made.silent
        found = made.heard.get((traced, measured))
        if found is None:
            found = made.heard[traced, measured] = self._make(made.everywhere, traced=traced, measured=measured)
        return found

    def _make(self, everywhere: tuple[Listener, ...], *, traced: bool, measured: bool) -> Heard:
        first = [span_maker(self._http_spans)] if traced else []
        last = [measurer()] if measured else []
        return audience([*first, *self._own, LOGS, *everywhere, *last])

    def watch(self, client: BaseClient) -> None:
        """Have the gauges read the state of `client` for as long as it is there and open."""
        if self.lasting:
            from resilient_client.telemetry import population  # noqa: PLC0415 - it knows BaseClient

            population.add(client)
