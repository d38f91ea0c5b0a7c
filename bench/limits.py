"""How many files and sockets a process may have open: as many as the system allows, and in words what is lacking."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST: Final = 65_536
"""More than a measurement needs; where the system sets no bound, some programs do work for each that is allowed."""

SPARE: Final = 200
"""Files besides the sockets that are counted: modules, pipes, certificates."""

PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def raise_limit() -> None:
    """Let this process, and every one it starts, open as many files as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def lacking(sockets: int, *, origins: int = 1) -> str:
    """Return why this process cannot connect so many sockets to so many addresses at once; nothing when it can."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = sockets + SPARE
    if files != resource.RLIM_INFINITY and files < needed:
        return f"needs {needed:,} open files, and {files:,} are allowed: raise the limit with `ulimit -Hn {needed}`"
    ports = ports_for_clients()
    if sockets / origins > ports:
        return (
            f"needs {sockets // origins:,} ports to one address, and {ports:,} are there: "
            f"`sysctl net.ipv4.ip_local_port_range='20000 60999'` as root"
        )
    return ""


def ports_for_clients() -> int:
    """Return how many connections to one address and port there can be."""
    try:
        low, high = map(int, PORTS.read_text().split())
    except (OSError, ValueError):
        return 16_383  # 49152-65535, RFC 6335 section 6, which other systems use
    return high - low + 1
