"""What is measured: so many callers, an answer of so many bytes, plain or over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, repeat
from typing import Final, Literal

SMALL: Final = 200
LARGE: Final = 64 * 1024

Kind = Literal["blocking", "asynchronous"]


@dataclass(frozen=True)
class Case:
    """One load: `at_once` threads or tasks, each of which asks again as soon as it was answered."""

    name: str
    kind: Kind
    at_once: int = 1
    size: int = SMALL
    tls: bool = False
    fresh: bool = False
    """Whether each request is for another URL."""

    @property
    def title(self) -> str:
        """The case in words."""
        callers = "thread" if self.kind == "blocking" else "task"
        parts = [f"{self.at_once:,} {callers}{'s' if self.at_once > 1 else ''}"]
        parts += ["64 KiB"] if self.size == LARGE else []
        parts += ["TLS"] if self.tls else []
        parts += ["a new URL each time"] if self.fresh else []
        return ", ".join(parts)


CASES: Final = {
    case.name: case
    for case in (
        Case("sync1", "blocking"),
        Case("sync16", "blocking", 16),
        Case("sync1-64k", "blocking", size=LARGE),
        Case("sync1-tls", "blocking", tls=True),
        Case("sync1-urls", "blocking", fresh=True),
        Case("async1", "asynchronous"),
        Case("async10", "asynchronous", 10),
        Case("async10-64k", "asynchronous", 10, size=LARGE),
        Case("async10-tls", "asynchronous", 10, tls=True),
        Case("async10-urls", "asynchronous", 10, fresh=True),
        Case("async100", "asynchronous", 100),
        Case("async1000", "asynchronous", 1000),
    )
}


@dataclass(frozen=True)
class Target:
    """Where a contender sends its requests."""

    url: str
    size: int
    at_once: int
    roots: str | None = None
    """A file with the root certificate of a server that speaks TLS."""
    fresh: bool = False

    def paths(self) -> Iterator[str]:
        """Return paths without end: always the same, or, of a fresh target, one for each of so many orders."""
        return map("/orders/%d".__mod__, count()) if self.fresh else repeat("/")

    def addresses(self) -> Iterator[str]:
        """Return whole URLs without end, as `paths` does."""
        return map(self.url.__add__, self.paths()) if self.fresh else repeat(self.url)
