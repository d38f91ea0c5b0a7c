"""A server as a child process: started, ready, signalled, and gone with everything that it forked."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PATIENCE = 30.0
"""Seconds for what takes a moment: a bound for a busy machine, not an expectation."""


def eventually(true: Callable[[], object], what: str) -> None:
    """Poll until `true()`."""
    until = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > until:
            raise AssertionError(f"waited {PATIENCE:g} s in vain for {what}")
        time.sleep(0.01)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child that leads a process group of its own; `log` is what it wrote."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.log = folder / f"{Path(command[0]).name}.log"
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.pid = self._child.pid

    def wait_ready(self, ready: Callable[[], object], what: str) -> None:
        """Wait until `ready()`; a child that ended before says why."""
        eventually(lambda: ready() or self.ended, what)
        assert not self.ended, f"{what} ended before it was ready:\n{self.log.read_text()}"

    def wait_listening(self, ports: Iterable[int], what: str) -> None:
        """Wait until it accepts connections on all `ports`."""
        self.wait_ready(lambda: all(map(listens, ports)), what)

    @property
    def ended(self) -> bool:
        return self._child.poll() is not None

    def send(self, what: signal.Signals) -> None:
        """Signal the process that was started, not what it forked."""
        self._child.send_signal(what)

    def children(self) -> list[int]:
        """The processes that it forked."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def wait_ended(self) -> None:
        self._child.wait(PATIENCE)

    def kill(self) -> None:
        """End it and what it forked, at once; harmless when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait(PATIENCE)
