"""The circuits of one `Breaker` value, by key, and how many of them are kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from resilient_client.pipeline.circuit import Circuit
    from resilient_client.policy import Breaker

MAX_CIRCUITS: Final = 1024


class Circuits:
    """The circuits of one `Breaker` value, by key; at most 1,024, idle closed ones dropped first, open ones never."""

    def __init__(self, settings: Breaker, make: Callable[[str, Breaker], Circuit]) -> None:
        self.settings = settings
        self._make = make
        self._lock = threading.Lock()
        self._by_key: dict[str, Circuit] = {}

    def get(self, key: str) -> Circuit:
        """Return the circuit of `key`, making it when there is none.

        With 1,024 open circuits there is no room: the new one is not kept and so never opens.
        """
        circuit = self._by_key.get(key)
        if circuit is None:
            with self._lock:
                circuit = self._by_key.get(key) or self._add_locked(key)
        return circuit

    def _add_locked(self, key: str) -> Circuit:
        circuit = self._make(key, self.settings)
        if len(self._by_key) >= MAX_CIRCUITS:
            idle = [one for one in self._by_key.values() if one.expendable]
            if not idle:
                return circuit
            del self._by_key[min(idle, key=lambda one: one.used).key]
        self._by_key[key] = circuit
        return circuit

    def all(self) -> list[Circuit]:
        """Return every circuit there is."""
        with self._lock:
            return list(self._by_key.values())

    def after_fork(self) -> None:
        """Start new locks in a forked child."""
        self._lock = threading.Lock()
        for circuit in self._by_key.values():
            circuit.after_fork()
