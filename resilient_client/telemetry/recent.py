"""What happened lately: calls and failures counted by client, and the last things that went wrong."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from resilient_client.events import CallCancelled, CallGivenUp, CallInfo, CallSucceeded, CircuitChanged, Listener
from resilient_client.forking import on_fork
from resilient_client.pipeline.window import Window
from resilient_client.result import FailureKind

MOST: Final = 50
"""Things that went wrong that are kept, over all clients."""

MOST_NAMES: Final = 1024
"""Names of clients that are counted apart; the one that was there first makes room."""

MOST_TEXT: Final = 300
"""Characters of a URL that are kept."""

MINUTE: Final = 60.0

REPEATED: Final = frozenset((FailureKind.CIRCUIT_OPEN, FailureKind.BULKHEAD_FULL))
"""Come by the thousand when they come: those of one client are one entry with a count."""


@dataclass(slots=True)
class Counts:
    """Calls of clients by one name."""

    calls: int = 0
    failures: int = 0
    cancelled: int = 0
    minute: Window = field(default_factory=lambda: Window(MINUTE))

    def add(self, now: float, *, failed: bool) -> None:
        """Count one call that ended."""
        self.calls += 1
        self.failures += failed
        self.minute.add(now, failed=failed)

    def as_dict(self, now: float) -> dict[str, int]:
        """Return the numbers as they are at the time `now`."""
        self.minute.move_to(now)
        minute = {"calls_last_minute": self.minute.calls, "failures_last_minute": self.minute.failures}
        return {"calls": self.calls, "failures": self.failures, "cancelled": self.cancelled, **minute}


class Recent:
    """The listener that remembers; it holds no credential, since events hold none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._lock = threading.Lock()
        self._counts: dict[str, Counts] = {}
        self._entries: OrderedDict[Hashable, dict[str, Any]] = OrderedDict()
        self._serial = 0
        self.hears: Mapping[type, Listener] = {
            CallSucceeded: self._succeeded,
            CallGivenUp: self._given_up,
            CallCancelled: self._cancelled,
            CircuitChanged: self._circuit_changed,
        }
        on_fork(self)

    def __call__(self, event: Any) -> None:
        """Remember an event."""
        self.hears[type(event)](event)

    @property
    def age(self) -> float:
        """Seconds since it began to remember."""
        return self._clock() - self._began

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the numbers of every name that made a call."""
        now = self._clock()
        with self._lock:
            return {name: counts.as_dict(now) for name, counts in self._counts.items()}

    def entries(self, wall: float) -> list[dict[str, Any]]:
        """Return what went wrong, the newest first; `wall` is the time of day now."""
        now = self._clock()
        with self._lock:
            newest_first = [dict(entry) for entry in reversed(self._entries.values())]
        return [{**entry, "time": round(wall - (now - entry["time"]), 3)} for entry in newest_first]

    # Calls.

    def _succeeded(self, event: CallSucceeded) -> None:
        with self._lock:
            self._counts_of_locked(event.call.client).add(self._clock(), failed=False)

    def _cancelled(self, event: CallCancelled) -> None:
        with self._lock:
            self._counts_of_locked(event.call.client).cancelled += 1

    def _given_up(self, event: CallGivenUp) -> None:
        entry = {**_failure(event), "count": 1}
        with self._lock:
            self._counts_of_locked(event.call.client).add(self._clock(), failed=True)
            key = (event.call.client, event.result.kind) if event.result.kind in REPEATED else None
            self._keep_locked(entry, key)

    def _counts_of_locked(self, name: str) -> Counts:
        found = self._counts.get(name)
        if found is None:
            if len(self._counts) >= MOST_NAMES:
                del self._counts[next(iter(self._counts))]
            found = self._counts[name] = Counts()
        return found

    # Circuits.

    def _circuit_changed(self, event: CircuitChanged) -> None:
        entry = {
            "event": "circuit",
            "client": event.client,
            "circuit": event.circuit,
            "before": event.before,
            "after": event.after,
            "calls": event.calls,
            "failures": event.failures,
            "open_for": event.open_for,
        }
        with self._lock:
            self._keep_locked(entry, None)

    def _keep_locked(self, entry: dict[str, Any], key: Hashable) -> None:
        """Keep `entry` as the newest; one with a `key` takes the place of the one before it."""
        if key is None:
            self._serial += 1
            key = self._serial
        before = self._entries.pop(key, None)
        if before is not None:
            entry["count"] += before["count"]
        self._entries[key] = {"time": self._clock(), **entry}
        if len(self._entries) > MOST:
            self._entries.popitem(last=False)

    def after_fork(self) -> None:
        """Start a new lock in a forked child."""
        self._lock = threading.Lock()


def _failure(event: CallGivenUp) -> dict[str, Any]:
    failure = event.result
    return {
        "event": "failure",
        **_of_call(event.call),
        "kind": str(failure.kind),
        "status": failure.status,
        "stopped": str(failure.stopped),
        "attempts": len(failure.attempts),
        "elapsed": round(failure.elapsed, 6),
    }


def _of_call(call: CallInfo) -> dict[str, Any]:
    url = call.url if len(call.url) <= MOST_TEXT else f"{call.url[:MOST_TEXT]}..."
    return {"client": call.client, "method": call.method, "url": url, "route": call.route}
