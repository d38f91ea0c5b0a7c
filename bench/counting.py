"""Exact counts of one plain GET on a connection that was used before: `python -m bench.counting '{...}'` prints them.

They do not depend on how busy the machine is, so a regression shows in a single run. Python's profiler tells of every
function that is called on the thread it watches; those of sockets and pollers are system calls.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from itertools import repeat
from statistics import median_low
from types import FrameType
from typing import Any, Final

from bench.cases import SMALL, Target
from bench.child import loop_factory

WARM_UP: Final = 30
REQUESTS: Final = 41
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (SMALL, b"x" * SMALL)

KERNEL: Final = (socket.socket.__base__, type(select.poll()), getattr(select, "epoll", type(None)))
NOT_KERNEL: Final = {"fileno", "gettimeout", "detach", "fromfd"}
"""Methods of sockets that only look at the object."""

BEGIN, END = "/measured-from-here", "/measured-to-here"


class Profile:
    """What was called since the last look, by anybody but this file."""

    def __init__(self) -> None:
        self.python = self.builtin = self.system = 0

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if frame.f_code.co_filename == __file__:
            return
        if event == "call":
            self.python += 1
        elif event == "c_call":
            self.builtin += 1
            if isinstance(getattr(arg, "__self__", None), KERNEL) and is_system_call(arg):
                self.system += 1

    def taken(self) -> dict[str, int]:
        calls = {"python": self.python, "builtin": self.builtin, "system": self.system}
        self.python = self.builtin = self.system = 0
        return calls


def is_system_call(function: Any) -> bool:
    """Return whether a method of a socket or a poller goes to the kernel; `poll.register` and its like do not."""
    return function.__name__ not in NOT_KERNEL and not (
        isinstance(function.__self__, type(select.poll())) and function.__name__ != "poll"
    )


def answer_all(listener: socket.socket) -> None:
    """Answer every request on one connection after the other."""
    while True:
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65536):
                connection.sendall(ANSWER)


def profiled(requests: int, found: list[dict[str, int]]) -> Iterator[None]:
    """Let so many requests be made, and note what each of them called."""
    yield from repeat(None, WARM_UP)
    profile = Profile()
    sys.setprofile(profile)
    for _ in range(requests):
        yield
        found.append(profile.taken())
    sys.setprofile(None)


def marked(requests: int) -> Iterator[None]:
    """Let so many requests be made between two system calls that a tracer of the process recognises."""
    yield from repeat(None, WARM_UP)
    os.access(BEGIN, os.F_OK)
    yield from repeat(None, requests)
    os.access(END, os.F_OK)


def counts(found: list[dict[str, int]]) -> dict[str, int]:
    """Return the counts of the usual request: now and then one does a chore for all."""
    return {kind: median_low([one[kind] for one in found]) for kind in ("python", "builtin", "system")}


def main(job: dict[str, Any]) -> None:
    contender = import_module(job["module"])
    target, options = Target(job.get("url") or here(), SMALL, 1), job["options"]
    found: list[dict[str, int]] = []
    turns = marked(job["marked"]) if "marked" in job else profiled(REQUESTS, found)
    gc.disable()
    if job["kind"] == "blocking":
        with contender.blocking(target, **options) as get:
            for _ in turns:
                get()
    else:

        async def run() -> None:
            async with contender.asynchronous(target, **options) as get:
                for _ in turns:
                    await get()

        with asyncio.Runner(loop_factory=loop_factory(job["loop"])) as runner:
            runner.run(run())
    if found:
        print(json.dumps(counts(found)), flush=True)
    os._exit(0)  # threads of a contender may still be there


def here() -> str:
    """Return the URL of a server on a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=answer_all, args=(listener,), daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
