"""Whether calls end in time: how late the latest was, and whether one that is still under way is overdue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

NOTED = 0.1
"""Seconds past its deadline from which a call is counted as late: below, it is the machine."""


class Watch:
    """Knows when each call that is under way must be over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[object, float] = {}
        self.latest = 0.0
        self.late = 0

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """Note when the block should be over, and how late it was."""
        token, until = object(), monotonic() + seconds
        self._under_way[token] = until
        try:
            yield
        finally:
            del self._under_way[token]
            late = monotonic() - until
            if late > NOTED:
                with self._lock:
                    self.late += 1
            if late > self.latest:
                self.latest = late

    @property
    def overdue(self) -> float:
        """By how many seconds the longest call under way is late; 0 when none is."""
        return max((monotonic() - until for until in list(self._under_way.values())), default=0.0)
