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
    """The tokens of one client; safe from threads and tasks at once."""

    def __init__(self, settings: RetryBudget) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._balance = float(settings.burst)
        self._calls = Window(settings.window)
        self._paid_until: float | None = None

    def deposit(self, now: float) -> None:
        """Count one call and add what it is worth."""
        with self._lock:
            self._calls.add(now)
            self._top_up_locked(now, self.settings.ratio)

    def take(self, now: float) -> bool:
        """Take one token for a retry; False when there is none."""
        with self._lock:
            self._calls.move_to(now)
            self._top_up_locked(now, 0.0)
            if self._balance < 1:
                return False
            self._balance -= 1
            return True

    def give_back(self, tokens: int, now: float) -> None:
        """Return the tokens a call took, because it succeeded in the end."""
        with self._lock:
            self._calls.move_to(now)
            self._top_up_locked(now, tokens)

    def available(self, now: float) -> float:
        """Return the balance in tokens."""
        with self._lock:
            self._calls.move_to(now)
            self._top_up_locked(now, 0.0)
            return self._balance

    def _top_up_locked(self, now: float, tokens: float) -> None:
        since = self._paid_until
        if since is not None and now > since:
            tokens += (now - since) * self.settings.min_per_second
        self._paid_until = now if since is None else max(now, since)
        cap = self.settings.burst + self.settings.ratio * self._calls.calls
        self._balance = min(self._balance + tokens, cap)

    def after_fork(self) -> None:
        """Start a new lock in a forked child: another thread may have held the old one."""
        self._lock = threading.Lock()
