"""Other processes: a module run to its end, a server that runs beside us."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.cores import SERVER, on_core

STARTS_WITHIN: Final = 10.0
STOPS_WITHIN: Final = 10.0


def environment() -> dict[str, str]:
    """Return the environment of a child that imports `bench`, wherever it was started from.

    What would make one run differ from another is left out: an import that compiles, a hash that is seeded by chance.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**inherited, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "0"}


def run_module(
    module: str, *arguments: str, python: str = sys.executable, below: tuple[str, ...] = (), timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a module of ours to its end, `below` another command if one is given; it may fail."""
    command = [*below, python, "-m", module, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=timeout)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on at this moment."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


@contextmanager
def running(command: list[str], ports: list[int]) -> Iterator[None]:
    """Run a server on its core, from when it listens on every port until the block is left."""
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
    try:
        on_core(SERVER, process.pid)
        give_up = time.monotonic() + STARTS_WITHIN
        for port in ports:
            while not listens(port):
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"the server did not start: {' '.join(command)}")
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
