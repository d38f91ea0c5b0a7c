"""From what callers got and what the server saw to the numbers of a phase, of the last second and of the whole."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from resilient_client.cli.demo.contender import Contender
from resilient_client.cli.demo.ledger import Ended, percentile


@dataclass(frozen=True, slots=True)
class Period:
    """A phase as it was: its name, and from when to when in monotonic seconds."""

    phase: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """One contender in one period. `sent` is what it tried to send, `load` what its server saw; times are seconds."""

    due: int
    """Calls that the workers aimed at; those not made fell to a worker that was still inside another."""
    calls: int
    successes: int
    failures: dict[str, int]
    sent: int
    load: int
    p50: float | None
    p99: float | None
    worst: float | None
    busy: float
    """Share of the workers' time that was spent inside calls."""

    @property
    def success_ratio(self) -> float | None:
        """Successes per call."""
        return self.successes / self.calls if self.calls else None

    @property
    def load_per_call(self) -> float | None:
        """Requests the server saw per call made."""
        return self.load / self.calls if self.calls else None

    def as_dict(self) -> dict[str, Any]:
        """Return the same for JSON."""
        return {**asdict(self), "success_ratio": self.success_ratio, "load_per_call": self.load_per_call}


def summed(calls: Sequence[Ended], due: float, load: int, busy: float) -> Numbers:
    """Return the numbers of `calls`."""
    times = [call.elapsed for call in calls]
    failures = Counter(call.failure for call in calls if call.failure is not None)
    return Numbers(
        due=max(len(calls), round(due)),
        calls=len(calls),
        successes=len(calls) - failures.total(),
        failures=dict(failures.most_common()),
        sent=sum(call.sent for call in calls),
        load=load,
        p50=percentile(times, 0.5),
        p99=percentile(times, 0.99),
        worst=max(times, default=None),
        busy=busy,
    )


class Evidence:
    """Ledger and journal of one contender, read once."""

    def __init__(self, contender: Contender) -> None:
        self.calls = contender.ledger.ended()
        self._pace = contender.setup.pace
        self._seen = [seen.at for seen in contender.server.journal.requests]

    def of(self, start: float, end: float, *, retried_until: float | None = None) -> Numbers:
        """Return the numbers of the calls begun between `start` and `end`; the load may be counted for longer."""
        calls = [call for call in self.calls if start <= call.started < end]
        held = sum(call.overlap(start, end) for call in self.calls)
        busy = held / (self._pace.workers * (end - start)) if end > start else 0.0
        return summed(calls, self._due(end - start), self._load(start, retried_until or end), busy)

    def since(self, start: float, now: float) -> Numbers:
        """Return the numbers of the calls ended since `start`: what callers got lately."""
        first = bisect_left(self.calls, start, key=lambda call: call.at)
        return summed(self.calls[first:], self._due(now - start), self._load(start, now), 0.0)

    def first_success_after(self, moment: float) -> float | None:
        """Return how many seconds after `moment` a caller first got an answer."""
        return min(
            (call.at - moment for call in self.calls if call.failure is None and call.at >= moment), default=None
        )

    def _due(self, seconds: float) -> float:
        return self._pace.workers * self._pace.per_second * seconds

    def _load(self, start: float, end: float) -> int:
        return bisect_left(self._seen, end) - bisect_left(self._seen, start)
