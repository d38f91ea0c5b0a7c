"""What a call may have left behind in this process: connections, descriptors, threads."""

from __future__ import annotations

import gc
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

PATIENCE: Final = 10.0
"""Seconds after which something that is still there was left behind; closing takes the kernel and the loop a moment."""

SOON: Final = 0.05
"""Seconds after which what nobody refers to is collected as well, which takes a fifth of a second each time."""

CLOSED: Final = 7
"""What the kernel calls a socket that is not, or no more, connected."""

STAYING: Final = "resilient-client-dns"
"""Threads that resolve names: a lookup cannot be interrupted, and they wait for the next one."""


def eventually(
    state: Callable[[], Any], wanted: Callable[[Any], bool], between: Callable[[], object] | None = None
) -> Any:
    """Return `state()` as soon as it is as wanted, or as it is when patience is over."""
    began = time.monotonic()
    while not wanted(found := state()) and (waited := time.monotonic() - began) < PATIENCE:
        if between is not None:
            between()
        time.sleep(0.002)
        if waited > SOON:
            gc.collect()
    return found


def descriptors() -> dict[int, str]:
    """The open descriptors of this process and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


class Connection(NamedTuple):
    """One client's end of a TCP connection: the port it goes to, what there is to read, whether it is over."""

    inode: str
    to: int
    news: bool
    over: bool


def _remote_port(one: socket.socket) -> int:
    """The port at the other end; 0 while there is none."""
    try:
        return int(one.getpeername()[1])
    except OSError:
        return 0


def _has(one: socket.socket, events: int) -> bool:
    """Whether one of these has happened to the socket; errors and the end always count."""
    poll = select.poll()
    poll.register(one, events)
    return bool(poll.poll(0))


def _looked_at(number: int) -> socket.socket | None:
    """A duplicate of an open descriptor that is a socket."""
    try:
        return socket.socket(fileno=os.dup(number))
    except OSError:
        return None


def connections() -> list[Connection]:
    """The client's ends of this process's TCP connections."""
    ends, served = [], set()
    for number, what in descriptors().items():
        if not what.startswith("socket:") or (one := _looked_at(number)) is None:
            continue
        with one, suppress(OSError):  # it may be closed this moment
            if one.family not in {socket.AF_INET, socket.AF_INET6}:
                continue
            local = one.getsockname()[1]
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                served.add(local)
            elif one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != CLOSED:
                news, over = _has(one, select.POLLIN), _has(one, select.POLLRDHUP)
                ends.append((local, Connection(what, _remote_port(one), news, over)))
    return [end for local, end in ends if local not in served]


@contextmanager
def looking_behind() -> Iterator[list[str]]:
    """Give a list that after the block has the descriptors and threads that were not there before."""
    threads, before = set(threading.enumerate()), descriptors()
    found: list[str] = []
    yield found

    def left() -> list[str]:
        new = [one for one in threading.enumerate() if one not in threads and not one.name.startswith(STAYING)]
        now = descriptors()
        return [f"left behind: thread {one.name}" for one in new] + [
            f"left behind: descriptor {number} ({what})" for number, what in now.items() if before.get(number) != what
        ] * (len(now) > len(before))

    found += eventually(left, lambda found: not found)
