"""What an answer left open, a body or a whole connection, and whom to tell when it is over.

Rules it keeps: the first to end it says how it ended; each of those who wait is told once, also when threads end it at
the same moment or an interrupt comes in the middle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from resilient_client.forking import generation

if TYPE_CHECKING:
    from resilient_client.exchange import Outcome, WireError

Over: TypeAlias = Callable[["Outcome | None"], object]
"""Told how an attempt ended; None when its caller was cancelled or interrupted."""


class StillOpen(ABC):
    """What one answer left open. Its end, `close` and every error close it, once.

    `outcome` is how its attempt ended if nothing goes wrong any more; `ended` is how it did, once it is closed.
    """

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._endings: list[tuple[Outcome | None]] = []  # the first counts; appending is atomic
        self._then: list[Over] = []
        self._generation = generation()

    @abstractmethod
    def _let_go(self) -> None:
        """Let go of what is open: never waits, harmless when there is nothing any more."""

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return bool(self._endings)

    @property
    def ended(self) -> Outcome | None:
        """How it ended; None while it has not, and when its caller was cancelled or interrupted."""
        return self._endings[0][0] if self._endings else None

    @property
    def of_the_parent(self) -> bool:
        """Whether it belongs to the process that this one was forked from."""
        return self._generation != generation()

    def on_close(self, then: Over) -> None:
        """Have `then` told when it is over; in the order of asking, which is from the inside out."""
        self._then.append(then)

    def close(self, *, interrupted: bool = False) -> None:
        """Let go of it: its user has seen enough, or was interrupted. Never waits; harmless when it is over."""
        self._over(None if interrupted else self._outcome)

    def ended_by(self, error: WireError) -> Outcome:
        """Return how the attempt ended. A deadline says nothing of the server: the pace was that of its user."""
        cause = error.__cause__ or error
        return replace(self._outcome, kind=error.kind, message=error.message, cause=cause, cut_short=True)

    def _over(self, outcome: Outcome | None) -> bool:
        """Close it, and return whether it was open until now."""
        mine = (outcome,)
        if not self._endings:
            self._endings.append(mine)
        if self.of_the_parent:
            self._then.clear()  # they are the parent's to tell
        try:
            self._let_go()
        finally:
            self._tell()
        return self._endings[0] is mine

    def _tell(self) -> None:
        """Tell all of them, also when an interrupt comes in the middle."""
        try:
            while self._then:
                try:
                    then = self._then.pop(0)
                except IndexError:  # another thread tells the last one
                    return
                then(self.ended)
        finally:
            if self._then:
                self._tell()
