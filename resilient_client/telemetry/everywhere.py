"""Listeners of the whole process: told of the calls and circuits of every client that has telemetry on."""

from __future__ import annotations

import threading
from typing import Final

from resilient_client.events import CircuitChanged, Listener, audience, tell
from resilient_client.forking import on_fork


class Everywhere:
    """Who listens to all clients.

    `listeners` is a new tuple after every change, so that who has made something of it sees by identity that it holds
    no more. It is a listener itself: kernels know it from their start, and it passes on which circuits change.
    """

    hears = (CircuitChanged,)

    def __init__(self) -> None:
        self.listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        on_fork(self)

    def add(self, listener: Listener) -> None:
        """Have `listener` told of every call that begins from now on, and of circuits that change."""
        with self._lock:
            if listener not in self.listeners:
                self.listeners = (*self.listeners, listener)

    def remove(self, listener: Listener) -> None:
        """Tell `listener` no more, except of calls under way; harmless when it was not told."""
        with self._lock:
            self.listeners = tuple(one for one in self.listeners if one != listener)

    def __call__(self, event: CircuitChanged) -> None:
        """Pass on that a circuit changed."""
        tell(audience(self.listeners), event)

    def after_fork(self) -> None:
        """Start without listeners in a forked child: those who added them have stayed in the parent."""
        self._lock = threading.Lock()
        self.listeners = ()


EVERYWHERE: Final = Everywhere()
