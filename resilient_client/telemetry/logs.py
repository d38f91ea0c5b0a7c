"""Log lines: once per fact, through structlog where the application has configured it, else through `logging`.

Nothing is printed in an application that has configured neither. structlog is never imported here: an application that
uses it has.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from resilient_client.events import (
    CallGivenUp,
    CallInfo,
    CircuitChanged,
    ConfigReloaded,
    ConfigReloadFailed,
    Event,
    Listener,
    Rejected,
    RetryScheduled,
    log,
)
from resilient_client.result import Failure, FailureKind

Fields = dict[str, Any]

log.addHandler(logging.NullHandler())

CIRCUIT_EVENTS: Final = {
    "open": ("breaker.opened", logging.WARNING),
    "isolated": ("breaker.opened", logging.WARNING),
    "half-open": ("breaker.half_open", logging.INFO),
    "closed": ("breaker.closed", logging.INFO),
}

REJECTION_EVENTS: Final = {
    FailureKind.CIRCUIT_OPEN: "breaker.rejected",
    FailureKind.BULKHEAD_FULL: "bulkhead.rejected",
}

NO_ANSWER: Final = frozenset((FailureKind.DNS, FailureKind.CONNECT, FailureKind.TLS, FailureKind.BLOCKED))
"""Kinds with many reasons, whose message holds nothing that a server said or that code of the caller raised."""

EVERY: Final = 1.0
"""Seconds between two lines about rejections of one kind by one client; the ones between are counted."""

MOST_KEPT: Final = 1024
"""Rejections by different clients that are counted apart."""


class Line:
    """When a line was written, and how many like it were held back since."""

    __slots__ = ("held", "written")

    def __init__(self, written: float) -> None:
        self.written = written
        self.held = itertools.count()  # counts without a lock


class Seldom:
    """Lets one line a second through for each key, with the number of those that it held back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], Line] = {}

    def holds_back(self, key: tuple[str, str]) -> bool:
        """Count one that is held back, because there was a line less than a second ago; False when it is not."""
        last = self._last.get(key)
        if last is None or self._clock() - last.written >= EVERY:
            return False
        next(last.held)
        return True

    def suppressed(self, key: tuple[str, str]) -> int | None:
        """Return how many were held back since the last one, or None to hold this one back, too."""
        with self._lock:
            if self.holds_back(key):
                return None
            last = self._last.get(key)
            if len(self._last) >= MOST_KEPT:
                self._last.clear()
            self._last[key] = Line(self._clock())
            return 0 if last is None else next(last.held)


class GivenUpLines:
    """Writes a line for each call that failed, but for those that were refused before anything was sent.

    They are told as rejections, and seldom. One that was sent and then refused may have had an effect.
    """

    def passes_over(self, client: str, why: FailureKind, sent: bool) -> bool:  # noqa: ARG002 - of any client
        """Return whether there would be no line."""
        return why in REJECTION_EVENTS and not sent

    def __call__(self, event: CallGivenUp) -> None:
        """Write it."""
        failure = event.result
        fields = {"attempt": len(failure.attempts), "kind": str(failure.kind), "status": failure.status}
        more = {"stopped": str(failure.stopped), "sent": failure.sent, "elapsed": round(failure.elapsed, 6)}
        write(logging.WARNING, "call.failed", {**_of_call(event.call), **fields, **more, "why": _why(failure)})


class RejectionLines:
    """Writes a line about rejections, one a second."""

    def __init__(self, seldom: Seldom) -> None:
        self._seldom = seldom

    def passes_over(self, client: str, why: FailureKind, sent: bool) -> bool:  # noqa: ARG002 - a rejection either way
        """Return whether this one is only counted."""
        return self._seldom.holds_back((client, why))

    def __call__(self, event: Rejected) -> None:
        """Write it, with the number of those before it that were only counted."""
        suppressed = self._seldom.suppressed((event.call.client, event.kind))
        if suppressed is not None:
            fields = {"kind": str(event.kind), "by": event.by, "suppressed": suppressed}
            write(logging.WARNING, REJECTION_EVENTS[event.kind], {**_of_call(event.call), **fields})


class Logs:
    """The listener that writes log lines."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.hears: Mapping[type, Listener] = {
            RetryScheduled: self._retry_scheduled,
            CallGivenUp: GivenUpLines(),
            Rejected: RejectionLines(Seldom(clock)),
            CircuitChanged: self._circuit_changed,
            ConfigReloaded: self._reloaded,
            ConfigReloadFailed: self._reload_failed,
        }

    def __call__(self, event: Event) -> None:
        """Write the line of an event."""
        self.hears[type(event)](event)

    def _retry_scheduled(self, event: RetryScheduled) -> None:
        attempt = event.attempt
        fields = {"attempt": attempt.number, "kind": _text(attempt.kind), "status": attempt.status}
        write(logging.INFO, "retry.scheduled", {**_of_call(event.call), **fields, "delay": round(event.delay, 6)})

    def _circuit_changed(self, event: CircuitChanged) -> None:
        name, level = CIRCUIT_EVENTS[event.after]
        fields: Fields = {"client": event.client, "circuit": event.circuit, "before": event.before}
        if event.after != "closed":
            fields |= {"calls": event.calls, "failures": event.failures}
        if event.open_for is not None:
            fields["open_for"] = round(event.open_for, 3)
        write(level, name, {**fields, "state": event.after})

    def _reloaded(self, event: ConfigReloaded) -> None:
        write(logging.INFO, "config.reloaded", {"source": event.source, "clients": list(event.clients)})

    def _reload_failed(self, event: ConfigReloadFailed) -> None:
        write(logging.ERROR, "config.reload_failed", {"source": event.source, "problem": str(event.error)})


def write(level: int, event: str, fields: Fields) -> None:
    """Write one line through structlog if it is configured, else through the logger `resilient_client`."""
    fields = {name: value for name, value in fields.items() if value is not None}
    structlog = sys.modules.get("structlog")
    if structlog is not None and _configured(structlog):
        structlog.get_logger("resilient_client").log(level, event, **fields)
    elif log.isEnabledFor(level):
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        log.log(level, "%s %s", event, told, extra={"event": event, **fields})


def _configured(structlog: Any) -> bool:
    """Return whether the application configured structlog; what `capture_logs` leaves behind is no configuration.

    It calls `configure` with the defaults when it ends, and the defaults print to stdout.
    """
    if not structlog.is_configured():
        return False
    config = structlog.get_config()
    names = [getattr(one, "__name__", type(one).__name__) for one in config["processors"]]
    return names != DEFAULT_PROCESSORS or type(config["logger_factory"]).__name__ != "PrintLoggerFactory"


DEFAULT_PROCESSORS: Final = [
    *("merge_contextvars", "add_log_level", "StackInfoRenderer", "set_exc_info", "TimeStamper", "ConsoleRenderer"),
]
"""structlog's own, by name: it may not be imported here."""


def _why(failure: Failure) -> str | None:
    """Return the message where the kind alone leaves one guessing, and where it can hold no data of anybody's."""
    machine = failure.kind is FailureKind.LOCAL and isinstance(failure.cause, OSError)
    return failure.message if machine or failure.kind in NO_ANSWER else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _of_call(call: CallInfo) -> Fields:
    fields: Fields = {"client": call.client, "method": call.method, "url": call.url, "route": call.route}
    return fields | _ids(call)


def _ids(call: CallInfo) -> Fields:
    """Return the ids of the call's span, or of the span it was made in, when there is one."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    span = call.trace.span if call.trace is not None else trace.get_current_span()
    context = span.get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
