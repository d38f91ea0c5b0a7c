"""Run the command line: in this process for what it prints, in one of its own for signals and terminals."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass

import pytest

from resilient_client.cli import app

PATIENCE = 30.0

# A parent may have switched SIGINT off for its children; what is tested here is what happens when it is on.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from resilient_client.__main__ import main; main()"
)


@dataclass
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run a command in this process."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["resilient-client", *map(str, arguments)])
        capsys.readouterr()
        code = app.run()
        return Ran(code, *capsys.readouterr())

    return run


class Spawned:
    """A command in a process of its own, its lines read as they come."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.lines: list[str] = []
        self._new: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._new.put(line.rstrip("\n"))

    def line_with(self, text: str) -> str:
        """Wait for a line that contains `text` and return it."""
        until = time.monotonic() + PATIENCE
        while True:
            line = self._new.get(timeout=max(0.01, until - time.monotonic()))
            self.lines.append(line)
            if text in line:
                return line

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> Ran:
        """Wait for the end and return everything that was printed."""
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while not self._new.empty():
            self.lines.append(self._new.get())
        return Ran(code, "\n".join(self.lines), self.process.stderr.read())


@pytest.fixture
def spawn():
    """Start a command in a process of its own; whatever still runs when the test ends is killed."""
    running: list[Spawned] = []

    def start(*arguments: object) -> Spawned:
        running.append(Spawned(*arguments))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.wait(PATIENCE)
        one._reader.join(PATIENCE)
        one.process.stdout.close()
        one.process.stderr.close()


@pytest.fixture
def on_terminal():
    """Run a command whose stdout is a terminal and return what it would have shown."""
    pty = pytest.importorskip("pty")

    def run(*arguments: object, **environment: str) -> str:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "resilient_client", *map(str, arguments)],
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm", **environment},
        ):
            os.close(theirs)
            shown = b"".join(_read_all(ours))
            os.close(ours)
        return shown.decode()

    return run


def _read_all(descriptor: int):
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # how a Linux terminal says that its other end is closed
            return
        if not piece:
            return
        yield piece


@pytest.fixture
def written(tmp_path):
    """Write a policy file and return its path."""

    def write(text: str, name: str = "services.toml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write
