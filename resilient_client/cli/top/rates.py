"""How much is going on: from the difference of two snapshots, or over the last minute while there is only one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from resilient_client.cli.top.snapshot import Snapshot

LATELY: Final = 5.0
"""Seconds that the rates of a live view look back."""

MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls in a second, and the share of them that failed; None when there were none."""

    calls: float
    failed: float | None


Rates = Mapping[str, Rate]


class History:
    """The snapshots of the last seconds."""

    def __init__(self) -> None:
        self._kept: deque[Snapshot] = deque()

    def add(self, new: Snapshot) -> None:
        """Take a snapshot; one of another process, or of a recording that began anew, starts over."""
        if self._kept and (self._kept[-1].pid != new.pid or self._kept[-1].recorded > new.recorded):
            self._kept.clear()
        if not self._kept or self._kept[-1].recorded < new.recorded:
            self._kept.append(new)
        while len(self._kept) > 2 and new.recorded - self._kept[1].recorded >= LATELY:
            self._kept.popleft()

    def rates(self) -> Rates:
        """Return the rate of every client, by its name."""
        first, last = self._kept[0], self._kept[-1]
        if first is last:
            return last_minute(last)
        before = {client.name: (client.calls, client.failures) for client in first.clients}
        seconds = last.recorded - first.recorded
        return {
            client.name: _rate(client.calls, client.failures, before.get(client.name, (0, 0)), seconds)
            for client in last.clients
        }


def last_minute(only: Snapshot) -> Rates:
    """Return the rates that one snapshot knows of itself."""
    seconds = min(MINUTE, max(only.recorded, 1.0))
    return {
        client.name: _rate(client.calls_last_minute, client.failures_last_minute, (0, 0), seconds)
        for client in only.clients
    }


def _rate(calls: int, failures: int, before: tuple[int, int], seconds: float) -> Rate:
    calls, failures = max(0, calls - before[0]), max(0, failures - before[1])
    return Rate(calls / seconds, min(1.0, failures / calls) if calls else None)
