"""Where documents come from: the URL of a process on this machine, or a file that a process replaces."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from resilient_client.cli.asked import check_url
from resilient_client.cli.terminal import one_line
from resilient_client.cli.top.snapshot import Snapshot, snapshot
from resilient_client.cli.usage import told_as_usage, why
from resilient_client.client import Client
from resilient_client.policy import MIB, Policy, Timeouts

POLICY: Final = Policy(
    timeouts=Timeouts(total=2, connect=1), retry=None, breaker=None, bulkhead=None, max_body=16 * MIB
)
"""The next look is the retry."""

PATH: Final = "/state"


class Gone(Exception):
    """There is no document now, and why: one line, safe to show."""

    def __init__(self, why_not: str) -> None:
        super().__init__(one_line(why_not))


@dataclass(frozen=True, slots=True)
class Reading:
    """A document, what it says, and how old it was in seconds when it was read."""

    document: Any
    snapshot: Snapshot
    age: float = 0.0


class Source(Protocol):
    """Gives a document when asked."""

    name: str

    def read(self) -> Reading:
        """Return the document there is; raises `Gone`."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class UrlSource:
    """Asks a URL; the path of `serve_state()` may be left out."""

    def __init__(self, url: str) -> None:
        check_url(url)
        with told_as_usage():
            self._client = Client("top", base_url=url, policy=POLICY, telemetry=False)
        bare = not url.partition("://")[2].partition("/")[2]
        self._path = PATH if bare else ""
        self.name = one_line(url.rstrip("/") + self._path)

    def read(self) -> Reading:
        """Ask."""
        answer = self._client.get(self._path)
        if not answer:
            raise Gone(f"{answer.kind}: {answer.message}")
        return _reading(answer.content)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class FileSource:
    """Reads a file; its age is told by what is in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = one_line(str(path))

    def read(self) -> Reading:
        """Read."""
        try:
            content = self._path.read_bytes()
        except OSError as problem:
            raise Gone(f"the file cannot be read: {why(problem)}") from None
        found = _reading(content)
        return Reading(found.document, found.snapshot, max(0.0, time.time() - found.snapshot.time))

    def close(self) -> None:
        """Nothing is open."""


def _reading(content: bytes) -> Reading:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise Gone("what came is no JSON") from None
    try:
        return Reading(document, snapshot(document))
    except ValueError as problem:
        raise Gone(f"what came is not understood: {problem}") from None
