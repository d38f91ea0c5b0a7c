"""Resolve names where they can be abandoned: on a few daemon threads, one lookup per name at a time.

`getaddrinfo` has no timeout and cannot be interrupted. A caller waits for it as long as it likes and then leaves; the
thread goes on alone, and whoever asks for the same name meanwhile joins the lookup that is running.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Final

from resilient_client.forking import on_fork
from resilient_client.wire.sockets import Address

THREADS: Final = 32
"""Names that may hang at once before another has to wait."""

IDLE_SECONDS: Final = 10.0

Lookup = tuple[str, int]
Pending = Future[list[Address]]


def literal(host: str, port: int) -> list[Address] | None:
    """Return the address when `host` is one already, else None."""
    try:
        version = ip_address(host.partition("%")[0]).version
    except ValueError:
        return None
    if version == 4:
        return [Address(socket.AF_INET, (host, port))]
    if "%" in host:  # a scoped address: the system knows the interface's number
        return _lookup((host, port))
    return [Address(socket.AF_INET6, (host, port, 0, 0))]


def _lookup(name: Lookup) -> list[Address]:
    found = socket.getaddrinfo(name[0], name[1], type=socket.SOCK_STREAM)
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, f"{name[0]} has no address")
    return list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in found))


class Resolver:
    """Lookups of one process: threads that come when needed and go when idle."""

    def __init__(self, lookup: Callable[[Lookup], list[Address]] = _lookup) -> None:
        self._look_up = lookup
        self.after_fork()

    def after_fork(self) -> None:
        """Start over: threads do not survive a fork."""
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Lookup] = queue.SimpleQueue()
        self._running: dict[Lookup, Pending] = {}
        self._threads = 0
        self._idle = 0

    def start(self, host: str, port: int) -> Pending:
        """Start or join the lookup of `host` and return its future.

        Who joins looks for a thread as well: whoever began it may have been interrupted before there was one.
        """
        name = (host, port)
        with self._lock:
            pending = self._running.get(name)
            if pending is None:
                pending = Future()
                self._queue.put(name)
                self._running[name] = pending
            if self._idle < self._queue.qsize() and self._threads < THREADS:
                self._start_thread_locked(name)
        return pending

    def _start_thread_locked(self, name: Lookup) -> None:
        thread = threading.Thread(target=self._work, name="resilient-client-dns", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:  # this machine has no thread to give
            self._threads -= 1
            if self._threads == 0:
                self._queue.get()
                del self._running[name]
                raise

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                name = self._queue.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                name = None
            with self._lock:
                self._idle -= 1
                if name is None:
                    if not self._queue.empty():
                        continue
                    self._threads -= 1
                    return
            self._answer(name)

    def _answer(self, name: Lookup) -> None:
        try:
            found: list[Address] | BaseException = self._look_up(name)
        except BaseException as problem:  # noqa: BLE001 - handed to whoever waits
            found = problem
        with self._lock:
            pending = self._running.pop(name, None)
        if pending is None:  # whoever asked was interrupted before anybody could wait for it
            return
        if isinstance(found, BaseException):
            pending.set_exception(found)
        else:
            pending.set_result(found)


resolver: Final = on_fork(Resolver())


def start(host: str, port: int) -> Pending:
    """Start or join the lookup of `host` in this process."""
    return resolver.start(host, port)
