"""What pybreaker is given to work with: storage over our window, and a relay to the user's listeners.

pybreaker is the state machine and the storage and listener interface; its own gate and clock are not used, because they
hold a lock over the call, count wall-clock time and let every waiting caller probe at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import pybreaker

if TYPE_CHECKING:
    from resilient_client.pipeline.window import Window

T = TypeVar("T")

log = logging.getLogger("resilient_client")


class WindowStorage(pybreaker.CircuitBreakerStorage):
    """pybreaker's storage over our sliding window, in memory."""

    def __init__(self, window: Window) -> None:
        super().__init__("window")
        self._window = window
        self._state = pybreaker.STATE_CLOSED
        self._successes = 0
        self._opened_at: datetime | None = None

    @property
    def state(self) -> str:
        """The state pybreaker knows: closed, open or half-open."""
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        self._state = state

    def increment_counter(self) -> None:
        """Failures are counted by the window itself."""

    def reset_counter(self) -> None:
        """Forget the window."""
        self._window.clear()

    def increment_success_counter(self) -> None:
        """Count a probe that succeeded."""
        self._successes += 1

    def reset_success_counter(self) -> None:
        """Forget the probes."""
        self._successes = 0

    @property
    def counter(self) -> int:
        """Failures in the window."""
        return self._window.failures

    @property
    def success_counter(self) -> int:
        """Probes that succeeded since it is half-open."""
        return self._successes

    @property
    def opened_at(self) -> datetime | None:
        """When it opened, by the wall clock; told to listeners, never used to decide."""
        return self._opened_at

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        self._opened_at = datetime


class Relay(pybreaker.CircuitBreakerListener):
    """Collects what pybreaker tells under our lock, to tell the user's listeners outside it, guarded."""

    def __init__(self, listeners: Iterable[pybreaker.CircuitBreakerListener]) -> None:
        self.listeners = tuple(listeners)
        self._pending: list[Callable[[pybreaker.CircuitBreakerListener], object]] = []
        self._broken: set[int] = set()
        self._storage_failed = False

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Remember a change of state."""
        if self.listeners:
            self._pending.append(lambda listener: listener.state_change(cb, old_state, new_state))

    def admitted(self, machine: pybreaker.CircuitBreaker) -> None:
        """Remember that a call was let through."""
        self._pending.append(lambda listener: listener.before_call(machine, attempt))

    def outcome(self, machine: pybreaker.CircuitBreaker, failure: Exception | None) -> None:
        """Remember how a call ended."""
        if failure is None:
            self._pending.append(lambda listener: listener.success(machine))
        else:
            self._pending.append(lambda listener: listener.failure(machine, failure))

    def guard(self, ask: Callable[[], T]) -> T | None:
        """Return what the storage answers; None when it raises, which is logged once: the circuit goes on by itself."""
        try:
            return ask()
        except Exception:
            if not self._storage_failed:
                self._storage_failed = True
                log.exception("circuit breaker storage raised; the circuit goes on by itself, it is not logged again")
            return None

    def tell(self) -> None:
        """Tell every listener what is pending, in order; one that raises is logged once and never stops another."""
        while self._pending:
            try:
                news = self._pending.pop(0)
            except IndexError:  # another thread told it
                return
            for listener in self.listeners:
                try:
                    news(listener)
                except Exception:
                    if id(listener) not in self._broken:
                        self._broken.add(id(listener))
                        log.exception("circuit breaker listener %r raised; it is not logged again", listener)


def attempt() -> None:
    """Stand for the call in what listeners are told before it: pybreaker names the function, we have none to name."""


class Reported(Exception):
    """Given to pybreaker listeners as the failure they are told about."""

    def __str__(self) -> str:
        return "the attempt failed"
