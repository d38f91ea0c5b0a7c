"""A sliding window of ten buckets: sums over the last seconds, old ones forgotten a tenth at a time."""

from __future__ import annotations

from typing import Final

BUCKETS: Final = 10


class Window:
    """Counts of up to three things over the last `seconds`. Not locked: its owner is.

    The window moves in steps of a tenth of its length, so it covers between 0.9 and 1.0 of `seconds`.
    """

    __slots__ = ("_buckets", "_current", "_width", "calls", "failures", "slow")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._buckets: list[list[int]] = [[0, 0, 0] for _ in range(BUCKETS)]
        self._current: int | None = None
        self.calls = self.failures = self.slow = 0

    def move_to(self, now: float) -> None:
        """Forget what is older than the window at the time `now`."""
        bucket = int(now // self._width)
        current = self._current
        if bucket == current:
            return
        if current is None or bucket < current:  # the first use, or a clock that went back: keep what is there
            self._current = bucket
            return
        for passed in range(1, min(bucket - current, BUCKETS) + 1):
            old = self._buckets[(current + passed) % BUCKETS]
            self.calls -= old[0]
            self.failures -= old[1]
            self.slow -= old[2]
            old[0] = old[1] = old[2] = 0
        self._current = bucket

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call at the time `now`."""
        if now // self._width != self._current:  # most come within the same tenth
            self.move_to(now)
        assert self._current is not None  # noqa: S101 - move_to sets it
        bucket = self._buckets[self._current % BUCKETS]
        bucket[0] += 1
        self.calls += 1
        if failed:
            bucket[1] += 1
            self.failures += 1
        if slow:
            bucket[2] += 1
            self.slow += 1

    def clear(self) -> None:
        """Forget everything."""
        for bucket in self._buckets:
            bucket[0] = bucket[1] = bucket[2] = 0
        self.calls = self.failures = self.slow = 0
