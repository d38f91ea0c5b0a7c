"""The document that a process publishes of itself: its open clients, how they are, and what went wrong lately."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resilient_client.redact import redact_url
from resilient_client.telemetry.everywhere import EVERYWHERE
from resilient_client.telemetry.population import everyone
from resilient_client.telemetry.recent import Recent

if TYPE_CHECKING:
    from resilient_client.base_client import BaseClient
    from resilient_client.policy import Policy

VERSION: Final = 1
"""Goes up when a key changes its meaning or goes away."""


class Published:
    """What is published from now on, until `stop`; calls before that are not known to it."""

    def __init__(self, *, every: float | None = None) -> None:
        self._every = every
        self._recent = Recent()
        EVERYWHERE.add(self._recent)

    def document(self) -> bytes:
        """Return the document as it is now, as JSON."""
        return json.dumps(document(self._recent, every=self._every), indent=1).encode("ascii")

    def stop(self) -> None:
        """Record nothing more."""
        EVERYWHERE.remove(self._recent)


def document(recent: Recent, *, every: float | None = None, wall: float | None = None) -> dict[str, Any]:
    """Return what there is to tell. `every` is how often it is written, `wall` the time of day now."""
    wall = time.time() if wall is None else wall
    return {
        "version": VERSION,
        "time": round(wall, 3),
        "recorded": round(recent.age, 6),
        "every": every,
        "pid": os.getpid(),
        "program": program(),
        "clients": _clients(recent.counts()),
        "recent": recent.entries(wall),
    }


def program() -> str:
    """Return what this process runs: the name alone, since arguments may hold anything."""
    path = Path(sys.argv[0]) if sys.argv and sys.argv[0] else Path("python")
    return path.parent.name if path.name == "__main__.py" else path.name


def _clients(counts: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Return every dependency: clients that share their state are one, by the name it was given first."""
    sharing: defaultdict[int, list[BaseClient]] = defaultdict(list)
    for client in everyone():
        if not client.closed and client._audience.standard:  # noqa: SLF001 - telemetry is ours
            sharing[id(client.kernels)].append(client)
    told = [_client(min(clients, key=_order), clients, counts) for clients in sharing.values()]
    return sorted(told, key=lambda one: (one["name"], one["base_url"] or ""))


def _order(client: BaseClient) -> tuple[bool, str, str]:
    return client.name != client.kernels.name, client.name, _base_url(client) or ""


def _client(first: BaseClient, sharing: list[BaseClient], counts: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    names = {client.name for client in sharing}
    numbers = [counts[name] for name in names if name in counts]
    return {
        "name": first.name,
        "base_url": _base_url(first),
        "policy": _policy(first.policy),
        **{key: sum(one[key] for one in numbers) for key in COUNTED},
        "state": first.state().as_dict(),
    }


COUNTED: Final = ("calls", "failures", "cancelled", "calls_last_minute", "failures_last_minute")


def _base_url(client: BaseClient) -> str | None:
    base = client._plan.requests.base.url  # noqa: SLF001 - it is no business of callers
    return None if base is None else redact_url(str(base))


def _policy(policy: Policy) -> dict[str, Any]:
    """Return the numbers that tell what to expect."""
    bulkhead = policy.bulkhead
    return {
        "total": policy.timeouts.total,
        "attempt": policy.timeouts.attempt,
        "max_attempts": 1 if policy.retry is None else policy.retry.max_attempts,
        "max_concurrent": None if bulkhead is None else bulkhead.max_concurrent,
        "max_waiting": None if bulkhead is None else bulkhead.max_waiting,
    }
