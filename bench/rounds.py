"""Rounds: as many as are wanted, or as fit into the time there is; a busy machine gets fewer, not a longer wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator


def rounds(most: int, minutes: float, clock: Callable[[], float] = time.monotonic) -> Iterator[int]:
    """Count rounds from 0. There is always a first; another starts when it should end within `minutes` of the start."""
    started = clock()
    for number in range(most):
        taken = clock() - started
        if number and taken + taken / number > 60 * minutes:
            return
        yield number
