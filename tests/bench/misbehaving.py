"""A contender that goes wrong where it is told to: nobody's client, but what a client could do to its measurement."""

import os
import signal
import sys
import time
from contextlib import contextmanager

from bench import load
from bench.cases import LARGE

load.PATIENCE = 0.2


@contextmanager
def blocking(target, *, how):
    if target.size == LARGE:
        yield lambda: b"x" * LARGE
        return
    sys.stdout.write("a library writes what it likes\n")
    if how == "crashes":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exits":
        os._exit(3)
    if how == "hangs":
        time.sleep(3600)
    if how == "never answers":
        yield lambda: time.sleep(3600)
    raise LookupError("no such thing")
