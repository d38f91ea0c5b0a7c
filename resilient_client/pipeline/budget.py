"""The retry budget: a balance of tokens that rations retries which do not help.

Rules: a call that sends something deposits `ratio`, a second deposits `min_per_second`; a retry takes one token before
its wait; a call that succeeds gives back what it took. The balance never exceeds `burst` + `ratio` x the calls in the
window.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from resilient_client.pipeline.window import Window

if TYPE_CHECKING:
    from resilient_client.policy import RetryBudget


class Budget:
    """The tokens of one client; safe from threads and tasks at once.

    Most calls only note that they were made, which needs no lock. What they pay in is worked out when somebody takes
    tokens, or asks for the balance, or a tenth of the window is over.
    """

    def __init__(self, settings: RetryBudget) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._balance = float(settings.burst)
        self._calls = Window(settings.window)
        self._paid_until: float | None = None

    def deposit(self, now: float) -> None:
        """Count one call and add what it is worth."""
        if self._calls.note(now):
            return
        with self._lock:
            self._settle_locked(now)
            self._calls.add(now)
            self._add_locked(self.settings.ratio)

    def take(self, now: float) -> bool:
        """Take one token for a retry; False when there is none."""
        with self._lock:
            self._settle_locked(now)
            if self._balance < 1:
                return False
            self._balance -= 1
            return True

    def give_back(self, tokens: int, now: float) -> None:
        """Return the tokens a call took, because it succeeded in the end."""
        with self._lock:
            self._settle_locked(now)
            self._add_locked(tokens)

    def available(self, now: float) -> float:
        """Return the balance in tokens."""
        with self._lock:
            self._settle_locked(now)
            return self._balance

    def _settle_locked(self, now: float) -> None:
        """Add what the time since the last one is worth, and the calls that were noted in it."""
        since = now if self._paid_until is None else self._paid_until
        self._paid_until = max(now, since)
        self._add_locked((self._paid_until - since) * self.settings.min_per_second)
        noted = self._calls.gather()
        self._add_locked(noted * self.settings.ratio)  # each raises the cap by what it pays in
        self._calls.move_to(now)
        self._add_locked(0.0)

    def _add_locked(self, tokens: float) -> None:
        self._balance = min(self._balance + tokens, self.settings.burst + self.settings.ratio * self._calls.calls)

    def after_fork(self) -> None:
        """Start a new lock in a forked child: another thread may have held the old one."""
        self._lock = threading.Lock()
