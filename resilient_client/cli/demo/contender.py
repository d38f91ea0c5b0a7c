"""A way of calling: its workers, what they got, and the server that tells which load it caused."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from resilient_client.cli.demo.ledger import Ledger
from resilient_client.cli.demo.pace import Got, Pace, drive_thread
from resilient_client.policy import Policy
from resilient_client.state import ClientState
from resilient_client.testing import FaultServer

JOINED: Final = 1.0
"""Seconds that workers are waited for once their server is gone."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for all."""

    policy: Policy
    pace: Pace
    seed: int


class Contender(ABC):
    """One way of calling, with a server of its own so that its journal tells who caused which load."""

    name: str

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.ledger = Ledger()
        self.ended = threading.Event()
        self.server = FaultServer(strict=False)
        self.server.start()
        self._threads: list[threading.Thread] = []

    @abstractmethod
    def start(self) -> None:
        """Let the workers begin."""

    def cut_off(self) -> None:
        """Write nothing more down and stop the server, so that no call has anything left to wait for."""
        self.ledger.close()
        self.ended.set()
        self.server.stop()

    def close(self) -> None:
        """Stop the server and, once its workers are gone, the client."""
        self.cut_off()
        until = time.monotonic() + JOINED
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._close_client()

    @abstractmethod
    def _close_client(self) -> None:
        """Close the client; nobody uses it any more."""

    def state(self) -> ClientState | None:
        """Return what operators see, when this way of calling has something to show."""
        return None

    def _spawn(self, run: Callable[..., object], *arguments: Any) -> None:
        # A daemon: no call that hangs may keep the command from ending.
        thread = threading.Thread(target=run, args=arguments, name=self.name, daemon=True)
        self._threads.append(thread)
        thread.start()


class Threads(Contender):
    """Workers are threads."""

    def start(self) -> None:
        """Start a thread for each worker."""
        for worker in range(self.setup.pace.workers):
            self._spawn(drive_thread, self.setup.pace, worker, self.call, self.ledger, self.ended)

    @abstractmethod
    def call(self) -> Got:
        """Make one call."""
