"""Ctrl-C and SIGTERM as a flag that loops look at, so that nothing is torn apart in the middle."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Stop:
    """Whether the user wants an end; `signal` is the number of what said so."""

    signal: int = 0

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.signal != 0

    def hear(self, number: int, _: FrameType | None) -> None:
        """Note the first signal; a second one does not wait for a clean end."""
        if self.requested:
            raise KeyboardInterrupt
        self.signal = number


@contextmanager
def stopping() -> Iterator[Stop]:
    """Note signals while the block runs. One that the parent process has switched off stays off."""
    stop = Stop()
    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop.hear) for number in heard}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
