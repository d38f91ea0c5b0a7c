"""`top` on a terminal: it moves, it says when its source is gone, and it leaves the terminal as it was."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import urllib.parse

import pytest

from resilient_client import Client, Policy
from resilient_client.publish import serve_state
from resilient_client.testing import steps

PATIENCE = 30.0

# A parent may have switched SIGINT off for its children; what is tested here is what happens when it is on.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from resilient_client.__main__ import main; main()"
)

ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"
HOME = "\x1b[H"
HIDES, SHOWS = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """A command on a terminal of a given size, and all that it has shown."""

    def __init__(self, *arguments: object, size: tuple[int, int] = (100, 30), **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        self.shown = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def resize(self, columns: int, lines: int) -> None:
        self.lines = lines
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while piece := os.read(self._ours, 65536):
                self.shown += piece.decode(errors="replace")

    def text(self) -> str:
        """What was shown, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.shown)

    def picture(self) -> str:
        """The last picture that was drawn to its end: it fills the screen."""
        *_, before, last = ["", *self.text().split(HOME)]
        return last if last.count("\n") >= self.lines - 1 else before

    def wait_for(self, *texts: str, without: str = "\0") -> str:
        """Wait for a picture with all of `texts` and return it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            picture = self.picture()
            if all(text in picture for text in texts) and without not in picture:
                return picture
            time.sleep(0.02)
        raise AssertionError(f"{texts!r} was not shown:\n{self.picture()}")

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def all(self) -> str:
        """Close the terminal and return everything that was shown."""
        os.close(self._theirs)
        self._thread.join(PATIENCE)
        return self.shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stderr.close()
        with contextlib.suppress(OSError):
            os.close(self._theirs)
        self._thread.join(PATIENCE)
        os.close(self._ours)


@pytest.fixture
def terminal():
    """Start commands on terminals; whatever still runs when the test ends is killed."""
    running: list[Terminal] = []

    def start(*arguments: object, **options) -> Terminal:
        running.append(Terminal(*arguments, **options))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_a_picture_until_a_signal_and_leaves_the_terminal_as_it_was(terminal, number):
    with serve_state() as server:
        top = terminal("top", server.url)
        top.wait_for("no client with telemetry is open")
        assert top.end(number) == 0
        after = termios.tcgetattr(top._theirs)
        shown = top.all()
    assert after == top.before
    assert shown.index(ENTERS) < shown.index(LEAVES)
    assert shown.count(ENTERS) == shown.count(LEAVES) == 1
    assert shown.rindex(SHOWS) > shown.rindex(HIDES)
    assert top.process.stderr.read() == b""


def test_it_moves(terminal, fault_server):
    fault_server.on("GET /ill", steps.status(503))
    with serve_state() as server, Client("shop", base_url=fault_server.url, policy=Policy(retry=None)) as shop:
        top = terminal("top", server.url, "--every", "0.2")
        top.wait_for("nothing has failed since recording began")
        shop.get("/ill")
        top.wait_for("server_error 503", "100 %")
        shop.breaker().isolate()
        top.wait_for("closed -> isolated", "1 of 1 circuit not closed, ")
        assert top.end() == 0


def test_a_source_that_goes_is_said_to_be_gone_and_comes_back_by_itself(terminal):
    server = serve_state()
    port = urllib.parse.urlsplit(server.url).port
    with Client("shop"):
        top = terminal("top", server.url, "--every", "0.2")
        top.wait_for("shop ", without="GONE")
        server.stop()
        top.wait_for("GONE: connect: ", "shop ")
        top.wait_for("GONE", "shop ", "age 1.")
        with serve_state(port):
            top.wait_for("shop ", "age 0.", without="GONE")
            assert top.end() == 0


def test_it_follows_the_size_of_the_terminal(terminal):
    long_name = "a-client-with-quite-a-long-name-that-has-no-room-here"
    with serve_state() as server, Client(long_name):
        top = terminal("top", server.url, "--every", "3600", size=(120, 30))
        top.wait_for(long_name)
        top.resize(60, 14)
        picture = top.wait_for("a-client-with", without=long_name)
        top.resize(120, 30)
        top.wait_for(long_name)
        assert top.end() == 0
    lines = picture.splitlines()
    assert max(map(len, lines)) <= 60
    assert len(lines) <= 14


def test_once_on_a_terminal_is_plain_and_fits(terminal):
    with serve_state() as server, Client("a-client-with-quite-a-long-name-that-has-no-room-here"):
        top = terminal("top", server.url, "--once", size=(60, 30))
        assert top.process.wait(PATIENCE) == 0
        shown = top.all()
    assert "\x1b" not in shown
    assert "a-client-with" in shown
    assert max(map(len, shown.splitlines())) <= 60


def test_a_terminal_that_can_nothing_gets_one_plain_snapshot(terminal):
    with serve_state() as server:
        top = terminal("top", server.url, TERM="dumb")
        assert top.process.wait(PATIENCE) == 0
        assert "\x1b" not in top.all()


def test_no_color_is_honoured(terminal):
    with serve_state() as server, Client("shop"):
        top = terminal("top", server.url, NO_COLOR="1")
        top.wait_for("shop ")
        assert top.end() == 0
        shown = top.all()
    assert not re.findall(r"\x1b\[[0-9;]*3[0-7][0-9;]*m", shown)
    assert ENTERS in shown


def test_a_source_that_is_not_there_leaves_the_terminal_alone(terminal):
    top = terminal("top", "http://127.0.0.1:1")
    assert top.process.wait(PATIENCE) == 2
    assert top.process.stderr.read().count(b"\n") == 1
    assert top.all() == ""
