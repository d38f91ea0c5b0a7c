"""The ambient deadline: `with deadline(seconds):` bounds every call made inside, in this thread or task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf, isfinite
from time import monotonic
from typing import Final

from resilient_client.errors import ConfigError

Clock = Callable[[], float]

clock: Final[ContextVar[Clock]] = ContextVar("resilient_client_clock", default=monotonic)
"""What ambient deadlines are measured with; the virtual backend puts its own here for its flows."""

ends: Final[ContextVar[tuple[float, Clock] | None]] = ContextVar("resilient_client_deadline", default=None)
"""When the ambient deadline is, and the clock that says so; None when there is none."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Give every call made inside the block at most `seconds` from now, all together.

    Nests, and only ever shortens. It is carried by a context variable: tasks started inside inherit it; a
    thread started inside does not. Raises `ConfigError` when `seconds` is not a finite number of at least 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not isfinite(seconds) or seconds < 0:
        raise ConfigError(f"deadline({seconds!r}): seconds must be a finite number of at least 0")
    now = clock.get()
    token = ends.set((now() + min(seconds, left()), now))
    try:
        yield
    finally:
        ends.reset(token)


def left() -> float:
    """Return the seconds left of the ambient deadline, below 0 when it has passed, `inf` when there is none."""
    end = ends.get()
    return inf if end is None else end[0] - end[1]()
