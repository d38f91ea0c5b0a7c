"""Publish the state of this process for `resilient-client top`: its clients, circuits, permits and recent failures.

Nothing is recorded before one of these is called. Both tell of every client that has telemetry on, from then on, and
show no credential. A forked child is not published: call them in each worker, after the fork.
"""

from __future__ import annotations

import os

from resilient_client.telemetry.state_file import StateFile
from resilient_client.telemetry.state_server import StateServer

__all__ = ["StateFile", "StateServer", "serve_state", "write_state"]


def serve_state(port: int = 0, *, host: str = "127.0.0.1") -> StateServer:
    """Serve the state as JSON on loopback, from a daemon thread, at the `url` of what is returned.

    port: where to listen; 0 takes a free one.
    host: the loopback address, 127.0.0.1 or ::1.

    Raises `ConfigError` for any other address, and `OSError` when the port is taken.
    """
    return StateServer(port, host)


def write_state(path: str | os.PathLike[str], every: float = 1.0) -> StateFile:
    """Write the state as JSON to a file, from a daemon thread, every `every` seconds, each time as a whole.

    path: the file, one for each process; its folder must be there.

    Raises `ConfigError` for a wrong number, and `OSError` when the first write fails.
    """
    return StateFile(path, every)
