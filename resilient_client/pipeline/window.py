"""A sliding window of ten buckets: sums over the last seconds, old ones forgotten a tenth at a time."""

from __future__ import annotations

from math import inf
from typing import Final

BUCKETS: Final = 10

MOST_NOTED: Final = 1000
"""Calls that are noted before they are counted."""


class Window:
    """Counts of up to three things over the last `seconds`. Not locked: its owner is, but for `note`.

    The window moves in steps of a tenth of its length, so it covers between 0.9 and 1.0 of `seconds`. Calls that went
    well are only noted, which needs no lock, and are in `calls` once it was moved or added to.
    """

    __slots__ = ("_begins", "_buckets", "_current", "_ends", "_noted", "_width", "calls", "failures", "slow")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._buckets = [0] * (3 * BUCKETS)  # calls, failures, slow ones of each, in one list: it is made quickly
        self._current: int | None = None
        self._begins = self._ends = inf  # of the current bucket
        self._noted: list[None] = []
        self.calls = self.failures = self.slow = 0

    def note(self, now: float) -> bool:
        """Note one call that went well at the time `now`; False when somebody has to move the window first."""
        if self._begins <= now < self._ends and len(self._noted) < MOST_NOTED:
            self._noted.append(None)
            return True
        return False

    def gather(self) -> int:
        """Count what was noted, all of it in the current bucket, and return how much that was."""
        noted = len(self._noted)
        if noted and self._current is not None:
            del self._noted[:noted]  # what is noted meanwhile comes behind these
            self._buckets[self._current % BUCKETS * 3] += noted
            self.calls += noted
        return noted

    def move_to(self, now: float) -> None:
        """Forget what is older than the window at the time `now`."""
        self.gather()
        if self._begins <= now < self._ends:
            return
        bucket, current = int(now // self._width), self._current
        if current is not None and current - BUCKETS < bucket < current:  # read before another thread moved it
            return
        if current is not None and bucket > current:  # else it is the first use, or a clock that went back
            for passed in range(1, min(bucket - current, BUCKETS) + 1):
                at = (current + passed) % BUCKETS * 3
                calls, failures, slow = self._buckets[at : at + 3]
                self.calls -= calls
                self.failures -= failures
                self.slow -= slow
                self._buckets[at : at + 3] = (0, 0, 0)
        self._current = bucket
        self._begins, self._ends = bucket * self._width, (bucket + 1) * self._width

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call at the time `now`."""
        self.move_to(now)
        assert self._current is not None  # noqa: S101 - move_to sets it
        at = self._current % BUCKETS * 3
        self._buckets[at] += 1
        self.calls += 1
        if failed:
            self._buckets[at + 1] += 1
            self.failures += 1
        if slow:
            self._buckets[at + 2] += 1
            self.slow += 1

    def clear(self) -> None:
        """Forget everything."""
        self._noted.clear()
        self._buckets = [0] * (3 * BUCKETS)
        self.calls = self.failures = self.slow = 0
