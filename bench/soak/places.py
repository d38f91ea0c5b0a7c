"""The clients of the soak: for each far side a blocking and an asynchronous one, which share their state."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, NamedTuple

from bench.soak.callers import FromTasks, FromThreads
from bench.soak.exotic_side import ON_HTTP2, PLAYS
from bench.soak.far_sides import FarSides
from bench.soak.kinds import ORDINARY, Kind, exotic
from resilient_client.config.policies import Policies

TOTAL = 1.0
"""Seconds that every call may take."""

ATTEMPT = 0.3
"""Seconds that an attempt may take: what a hang costs."""

PERMITS = 32

TABLE = """
[clients.{name}]
base_url = "{url}"
timeouts = {{ connect = {attempt}, read = {attempt}, attempt = {attempt}, total = {total} }}
retry = {{ max_attempts = 3, wait_initial = 0.005, wait_max = 0.05 }}
breaker = {{ min_calls = {min_calls}, consecutive = 50, window = 2, open_for = 0.1, open_max = 0.5 }}
bulkhead = {{ max_concurrent = {permits}, max_waiting = 400 }}
max_body = "1MiB"
"""


class Place(NamedTuple):
    """A far side, its two clients, what is asked of it and how often."""

    name: str
    threads: FromThreads
    tasks: FromTasks
    kinds: tuple[Kind, ...]
    weight: int

    @property
    def clients(self) -> tuple[Any, Any]:
        return self.threads.client, self.tasks.client


class PolicyFile:
    """The policy file of the soak, whose numbers change under load."""

    def __init__(self, path: Path, sides: FarSides) -> None:
        self.path = path
        self._urls = {"quick": sides.quick, "secure": sides.secure, "exotic": sides.exotic, "http2": sides.http2}
        self._version = 0
        self.write()

    def write(self, *, wrong: bool = False, attempt: float = ATTEMPT, total: float = TOTAL) -> None:
        """Write the next version: other numbers for bulkhead and breaker, or something that nobody can mean."""
        self._version += 1
        numbers = {"permits": PERMITS - self._version % 3 * 8, "min_calls": 20 + self._version % 2}
        numbers |= {"attempt": attempt, "total": total}
        text = "".join(TABLE.format(name=name, url=url, **numbers) for name, url in self._urls.items())
        self.path.write_text(text + "[clients.quick.retri]\n" if wrong else text)


def places(policies: Policies, sides: FarSides) -> list[Place]:
    quick = ssl.create_default_context(cafile=str(sides.authority))
    paired = ssl.create_default_context(cafile=sides.exotic_authority)

    def place(name: str, kinds: tuple[Kind, ...], weight: int, verify: Any = True, **of_tasks: Any) -> Place:
        threads = policies.client(name, verify=verify)
        tasks = policies.async_client(name, verify=verify, **of_tasks)
        return Place(name, FromThreads(threads), FromTasks(tasks), kinds, weight)

    return [
        place("quick", ORDINARY, 75),
        place("secure", ORDINARY, 15, quick),
        place("exotic", exotic(PLAYS), 6),
        place("http2", exotic(ON_HTTP2), 4, paired, http2=True),
    ]
