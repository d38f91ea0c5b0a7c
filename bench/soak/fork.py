"""A fork in the middle of it all: a child calls through the client it inherited, and must not hang."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from time import monotonic
from typing import Any


def fork_and_call(client: Any, numbers: range, patience: float) -> Callable[[], str | None]:
    """Fork a child that calls through the client it inherited; return what tells how it went, None while it runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads, which is the point here
        child = os.fork()
    if child == 0:
        code = 1
        try:
            results = [client.get(f"/plain/{number}") for number in numbers]
            held = client.state().permits_in_use
            code = 0 if all(result.attempts for result in results) and not held else 2
        finally:
            os._exit(code)
    until = monotonic() + patience

    def outcome() -> str | None:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return "" if code == 0 else f"a forked child ended with {code}"
        if monotonic() < until:
            return None
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "a forked child hung"

    return outcome
