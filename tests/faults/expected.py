"""What a call must come to, and how that differs from what was observed.

A row says what happened to one request; whether it is sent again follows from two rules that are written here once:
only what is transient is repeated, and only what is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from resilient_client import FailureKind

IDEMPOTENT: Final = frozenset(("GET", "HEAD", "PUT", "DELETE"))

LATEST: Final = 4.0
"""Seconds that a busy machine may add to what a row takes; what a quiet one adds is on the page."""

EXACT: Final = 0.001
"""Seconds that virtual time may add."""

EARLY: Final = 0.005
"""Seconds that a clock with a coarse tick may take off."""


@dataclass(frozen=True)
class Observed:
    """How one call ended. `kind` is a failure's, None for a success, or the name of an exception that was raised."""

    kind: str | None
    status: int | None
    attempts: int | None
    stopped: str | None
    sent: bool | None
    circuit: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": round(self.seconds, 4)}


@dataclass(frozen=True)
class Expected:
    """What a row says. `kind` None is a success, a str the name of an exception. `status` None is any, or none.

    `again`: the policy would repeat it. `sent` None: it may have been or not, as the network has it. `circuit` is what
    each attempt counts as: "success", "failure", "ignored", or "" when the circuit is not asked. `attempts` are those
    of a success. `decisions`, attempts and reason by method, is given only where the two rules do not say them.
    `waits` is how many seconds each attempt takes at least, `pause` how many are between two of them.
    """

    kind: FailureKind | str | None
    status: int | None = None
    sent: bool | None = True
    again: bool = False
    circuit: str = "failure"
    attempts: int = 1
    decisions: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    waits: float = 0.0
    pause: float = 0.0

    def decision(self, method: str) -> tuple[int, str | None]:
        """How many attempts a call makes, out of two, and why no more."""
        if self.kind is None:
            return self.attempts, None
        if method in self.decisions:
            return self.decisions[method]
        if not self.again:
            return 1, "not_retryable"
        safe = method in IDEMPOTENT or self.sent is False or self.status == 429
        return (2, "max_attempts") if safe else (1, "not_idempotent")

    def least(self, method: str) -> float:
        """How many seconds a call takes at least."""
        attempts, _ = self.decision(method)
        return self.waits * attempts + self.pause * (attempts - 1)

    @property
    def raised(self) -> bool:
        """Whether the call gives no result."""
        return isinstance(self.kind, str) and not isinstance(self.kind, FailureKind)

    def differences(self, seen: Observed, method: str, *, late: float = LATEST) -> list[str]:
        """What is not as expected, in words."""
        attempts, stopped = self.decision(method)
        wanted: dict[str, Any] = {"kind": None if self.kind is None else str(self.kind)}
        if self.status is not None:
            wanted["status"] = self.status
        if not self.raised:
            wanted |= {"attempts": attempts, "stopped": stopped}
        if self.sent is not None and self.kind is not None and not self.raised:
            wanted["sent"] = self.sent
        wanted["circuit"] = self.circuit
        found = [
            f"{name} is {getattr(seen, name)!r}, not {value!r}"
            for name, value in wanted.items()
            if getattr(seen, name) != value
        ]
        least = self.least(method)
        if not least - EARLY <= seen.seconds <= least + late:
            found.append(f"it took {seen.seconds:.3f} s, not {least:g} to {least + late:g}")
        return found


# Words for rows.


def unsent(kind: FailureKind, **more: Any) -> Expected:
    """Nothing was sent, and a moment later it could work: repeated whatever the method."""
    return Expected(kind, **{"sent": False, "again": True, **more})


def seen(kind: FailureKind, **more: Any) -> Expected:
    """The server may have acted on it, and a moment later it could work: repeated when that is safe."""
    return Expected(kind, **{"again": True, **more})


def final(kind: FailureKind, **more: Any) -> Expected:
    """It would come out the same again; the server is there and answers."""
    return Expected(kind, **{"circuit": "success", **more})


def local(**more: Any) -> Expected:
    """It went wrong on this side."""
    return Expected(FailureKind.LOCAL, **{"circuit": "ignored", **more})


def answer(status: int, *, again: bool = False, **more: Any) -> Expected:
    """A failing status."""
    kind = FailureKind.CLIENT_ERROR if status < 500 else FailureKind.SERVER_ERROR
    if status == 429:
        kind = FailureKind.THROTTLED
    counted = "failure" if status >= 500 else "success"
    return Expected(kind, **{"status": status, "again": again, "circuit": counted, **more})


def fine(status: int = 200, **more: Any) -> Expected:
    """It goes well all the same."""
    return Expected(None, **{"status": status, "circuit": "success", **more})


def late(*, circuit: str, waits: float, attempts: int = 1, **more: Any) -> Expected:
    """The deadline ended it."""
    decisions = dict.fromkeys(("GET", "POST", "PUT"), (attempts, "deadline"))
    return Expected(FailureKind.DEADLINE, **{"circuit": circuit, "waits": waits, "decisions": decisions, **more})


def raises(name: str, **more: Any) -> Expected:
    """The call gives no result: its caller was interrupted."""
    return Expected(name, **{"circuit": "ignored", **more})
