"""Ways of this machine to fail: no descriptor, no port, no thread. Each is a block in which it is so."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from faults.scenes import call

from resilient_client.wire.sockets import resolve


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let no file be opened: the limit is lowered to the first free number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as probe:
        free = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process have 64 MB more than it has."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as counts:
        used = int(counts.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 64 * 1024 * 1024, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@contextmanager
def no_threads() -> Iterator[None]:
    """Let no thread be started, and none that resolves names be left from before."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with (
        mock.patch.object(resolve, "resolver", resolve.Resolver()),
        mock.patch.object(threading.Thread, "start", start),
    ):
        yield


@contextmanager
def clock_set_back() -> Iterator[None]:
    """Let the wall clock go back an hour each time it is read."""
    hours = itertools.count(1)
    now = time.time()
    with mock.patch.object(time, "time", side_effect=lambda: now - 3600 * next(hours)):
        yield


def connecting_fails(code: int) -> Callable[[], AbstractContextManager[None]]:
    """Let every connection fail with `code` at once, as the kernel does."""

    @contextmanager
    def block() -> Iterator[None]:
        def connect(_: Any, address: Any) -> None:
            raise OSError(code, os.strerror(code))

        def connect_ex(_: Any, address: Any) -> int:
            return code

        with mock.patch.multiple(socket.socket, connect=connect, connect_ex=connect_ex):
            yield

    return block


no_ports = connecting_fails(errno.EADDRNOTAVAIL)


def inside(block: Callable[[], AbstractContextManager[None]]) -> Callable[..., Any]:
    """Make the call while this machine is so."""

    def act(caller: Any, method: str, url: str, **options: Any) -> Any:
        if hasattr(caller.world, "runner"):
            caller.world.runner.get_loop()  # made on first use, which takes descriptors of its own
        with block():
            return call(caller, method, url, **options)

    return act
