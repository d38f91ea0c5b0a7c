"""Look at a source again and again: what was read last stays until something newer comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from resilient_client.cli.top.picture import Moment
from resilient_client.cli.top.rates import History
from resilient_client.cli.top.source import Gone, Reading, Source
from resilient_client.cli.top.tables import ago_of

MISSED: Final = 3
"""Writes of a file that may be missing before its writer counts as gone."""

GRACE: Final = 2.0
"""Seconds on top of them: machines are busy."""


class Watch:
    """What is known of a source; begins with what was read first."""

    def __init__(self, source: Source, first: Reading, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._history = History()
        self._problem: str | None = None
        self._take(first)

    def _take(self, reading: Reading) -> None:
        self._reading, self._read = reading, self._clock()
        self._history.add(reading.snapshot)

    def look(self) -> None:
        """Read again; when that cannot be, remember why."""
        try:
            self._take(self._source.read())
            self._problem = None
        except Gone as problem:
            self._problem = str(problem)

    def moment(self) -> Moment:
        """Return what is known now."""
        age = self._reading.age + self._clock() - self._read
        gone = self._problem or self._silence(age)
        return Moment(self._source.name, self._reading.snapshot, age, self._history.rates(), gone)

    def _silence(self, age: float) -> str | None:
        """Return what to say of a file that nobody writes any more."""
        every = self._reading.snapshot.every
        silent = every is not None and age > MISSED * every + GRACE
        return f"nothing was written for {ago_of(age)}" if silent else None
