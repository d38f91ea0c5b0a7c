"""What the callers of one contender got, call by call; written by its workers, read by the view while they run."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

UNFINISHED: Final = "unfinished"
"""How a call ended that was cut off by the end of the demo: its caller had waited that long, for nothing so far."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One call as its caller saw it; `sent` is how many requests it tried to send. Times are monotonic seconds."""

    started: float
    elapsed: float
    failure: str | None
    sent: int

    @property
    def at(self) -> float:
        """When it ended."""
        return self.started + self.elapsed

    def overlap(self, start: float, end: float) -> float:
        """Return how many of its seconds lie between `start` and `end`."""
        return max(0.0, min(self.at, end) - max(self.started, start))


class Ledger:
    """The calls that ended, and the workers that are inside one now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: list[Ended] = []
        self._calling: dict[int, float] = {}
        self._open = True

    def begin(self, worker: int) -> None:
        """Note that `worker` makes a call now."""
        with self._lock:
            self._calling[worker] = time.monotonic()

    def end(self, worker: int, failure: str | None, sent: int) -> None:
        """Note how the call of `worker` ended."""
        with self._lock:
            started, now = self._calling.pop(worker), time.monotonic()
            if self._open:
                self._ended.append(Ended(started, now - started, failure, sent))

    def close(self) -> None:
        """Write down no more calls, because what ends from now on is cut off by us; those under way as unfinished."""
        with self._lock:
            if self._open:
                now = time.monotonic()
                self._ended += [Ended(started, now - started, UNFINISHED, 0) for started in self._calling.values()]
            self._open = False

    @property
    def calling(self) -> int:
        """How many workers are inside a call."""
        with self._lock:
            return len(self._calling)

    def ended(self) -> list[Ended]:
        """Return the calls that ended, in that order."""
        with self._lock:
            return list(self._ended)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that `share` of all values do not exceed; None when there are none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
