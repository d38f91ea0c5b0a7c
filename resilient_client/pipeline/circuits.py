"""The circuits of one `Breaker` value, by key, and how many of them are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from resilient_client.pipeline.circuit import Circuit
    from resilient_client.policy import Breaker

MAX_CIRCUITS: Final = 1024


class Circuits:
    """The circuits of one `Breaker` value, by key; at most 1,024, idle closed ones dropped first, open ones never.

    The one that was idle for longest is found without looking at all of them. `_idle` is a heap of closed ones by when
    each was used, as far as that was looked at; one that turns out to have been used since goes back into it, and one
    that is open is set aside until it says that it was closed. So each look is paid for by a call to that circuit.
    """

    def __init__(self, settings: Breaker, make: Callable[[str, Breaker], Circuit]) -> None:
        self.settings = settings
        self._make = make
        self._lock = threading.Lock()
        self._by_key: dict[str, Circuit] = {}
        self._idle: list[tuple[float, str]] = []
        self._aside: set[str] = set()
        self._closed: set[str] = set()

    def get(self, key: str, now: float = 0.0) -> Circuit:
        """Return the circuit of `key`, making it when there is none; `now` is when it will be used, if it will.

        With 1,024 open circuits there is no room: the new one is not kept and so never opens.
        """
        circuit = self._by_key.get(key)
        if circuit is None:
            with self._lock:
                circuit = self._by_key.get(key) or self._add_locked(key, now)
        return circuit

    def _add_locked(self, key: str, now: float) -> Circuit:
        circuit = self._make(key, self.settings)
        if len(self._by_key) < MAX_CIRCUITS or self._drop_one_locked():
            self._by_key[key] = circuit
            circuit.when_closed = self._closed.add
            circuit.used = now
            heappush(self._idle, (now, key))
        return circuit

    def _drop_one_locked(self) -> bool:
        """Drop the closed circuit that was not used for longest; False when all are open."""
        self._take_back_closed_locked()
        while self._idle:
            used, key = heappop(self._idle)
            circuit = self._by_key[key]
            if not circuit.expendable:
                self._aside.add(key)
            elif circuit.used > used:
                heappush(self._idle, (circuit.used, key))
            else:
                del self._by_key[key]
                return True
        return False

    def _take_back_closed_locked(self) -> None:
        while self._closed:
            key = self._closed.pop()
            if key in self._aside:
                self._aside.remove(key)
                heappush(self._idle, (self._by_key[key].used, key))

    def all(self) -> list[Circuit]:
        """Return every circuit there is."""
        with self._lock:
            return list(self._by_key.values())

    def after_fork(self) -> None:
        """Start new locks in a forked child."""
        self._lock = threading.Lock()
        for circuit in self._by_key.values():
            circuit.after_fork()
