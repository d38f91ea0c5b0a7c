"""What a call may have left behind in this process: connections, descriptors, threads."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

PATIENCE: Final = 5.0
"""Seconds after which something that is still there was left behind; closing takes the kernel and the loop a moment."""

LISTENING: Final = 0x0A
GONE: Final = frozenset((0x06, 0x07))  # TIME_WAIT, CLOSE

STAYING: Final = "resilient-client-dns"
"""Threads that resolve names: a lookup cannot be interrupted, and they wait for the next one."""


def eventually(state: Callable[[], Any], wanted: Callable[[Any], bool], between: Callable[[], object] | None = None) -> Any:
    """Return `state()` as soon as it is as wanted, or as it is when patience is over."""
    until = time.monotonic() + PATIENCE
    while not wanted(found := state()) and time.monotonic() < until:
        if between is not None:
            between()
        time.sleep(0.002)
        gc.collect()
    return found


def descriptors() -> dict[int, str]:
    """The open descriptors of this process and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def _rows() -> Iterator[tuple[int, int, int, int, str]]:
    """Local port, remote port, state, bytes waiting to be read and inode of every TCP socket of this machine."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError), open(table) as lines:
            next(lines)
            for line in lines:
                parts = line.split()
                local, remote = (int(parts[at].rpartition(":")[2], 16) for at in (1, 2))
                yield local, remote, int(parts[3], 16), int(parts[4].partition(":")[2], 16), parts[9]


class Connection(NamedTuple):
    """One client's end of a TCP connection: the port it goes to, its state, and how many bytes wait to be read."""

    inode: str
    to: int
    state: int
    waiting: int


def connections() -> list[Connection]:
    """The client's ends of this process's TCP connections."""
    ours = {kind[8:-1] for kind in descriptors().values() if kind.startswith("socket:")}
    rows = [found for found in _rows() if found[4] in ours and found[2] not in GONE]
    served = {local for local, _, state, _, _ in rows if state == LISTENING}
    return [
        Connection(inode, remote, state, waiting)
        for local, remote, state, waiting, inode in rows
        if state != LISTENING and remote and local not in served
    ]


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Fail when descriptors or threads are left that were not there before."""
    threads, before = set(threading.enumerate()), descriptors()
    yield

    def left() -> list[str]:
        new = [one for one in threading.enumerate() if one not in threads and not one.name.startswith(STAYING)]
        now = descriptors()
        return [f"thread {one.name}" for one in new] + [
            f"descriptor {number} ({what})" for number, what in now.items() if before.get(number) != what
        ] * (len(now) > len(before))

    found = eventually(left, lambda found: not found)
    assert not found, f"left behind: {', '.join(found)}"
