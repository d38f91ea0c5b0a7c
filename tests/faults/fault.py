"""A row of the matrix: one thing that goes wrong, where it is met, and what a call must come to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

from faults.expected import Expected
from faults.scenes import Scene

from resilient_client import Breaker, Policy, Retry, Timeouts

SHORT: Final = 0.05
"""Seconds of the one timeout that a row is about. All others are too long to be met on the busiest machine."""

LONGER: Final = 0.8
"""The same where something must have come before, or come within it: as the good call after a row, which the client's
`total` bounds as well. A busy machine may not turn to this process for half a second."""

TWICE: Final = Retry(max_attempts=2, wait_initial=0, wait_max=0, budget=None)
"""The retries of every row: one, without a pause, so that its decision shows and nothing else."""

COUNTING: Final = Breaker(min_calls=10_000)
"""A breaker that counts and never opens."""


def only(**short: float) -> Timeouts:
    """Patient timeouts but for the given ones."""
    return Timeouts(**{"connect": 10, "read": 10, "write": 10, "attempt": 20, "total": 40, **short})


PATIENT: Final = only()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong, in a sentence for the page, and everything the runner needs.

    `scene` makes the far side it happens on. `call` makes the options of the call, anew for each. `methods` are an
    idempotent one and one that is not, or a single one where there is nothing to compare. `facade` is set when only one
    of the two can meet it; `own_process` when it would harm the process that runs the tests.
    """

    what: str
    scene: Callable[[Any], AbstractContextManager[Scene]]
    expected: Expected
    timeouts: Timeouts = PATIENT
    policy: Mapping[str, Any] = field(default_factory=dict)
    call: Callable[[], dict[str, Any]] = dict
    methods: tuple[str, ...] = ("GET", "POST")
    http2: bool = False
    facade: str | None = None
    own_process: bool = False

    @property
    def in_memory(self) -> bool:
        """Whether it can be played in virtual time."""
        return bool(getattr(self.scene, "in_memory", False))

    @property
    def on_the_wire(self) -> bool:
        """Whether it is met over sockets; a few would depend on milliseconds there."""
        return bool(getattr(self.scene, "on_the_wire", True))

    @property
    def apart(self) -> bool:
        """Whether it is played in a process of its own over sockets: it would harm this one, or keep it waiting."""
        return self.own_process or self.expected.waits >= LONGER / 2

    @property
    def name(self) -> str:
        """What the tests call it."""
        return re.sub(r"[^a-z0-9]+", "-", self.what.lower()).strip("-")

    @property
    def probed(self) -> bool:
        """Whether it is made as a probe, too: not where nothing is counted, or attempts count differently."""
        several = self.expected.kind is None and self.expected.attempts > 1
        return not several and self.expected.circuit in {"success", "failure", "ignored"}

    def compared(self, *, virtual: bool) -> tuple[str, ...]:
        """The methods that are tried: both, unless the second is one more wait for what is shown without waiting."""
        shown = len({self.expected.decision(method) for method in self.methods}) == 1 or self.in_memory
        return self.methods[:1] if self.expected.waits and shown and not virtual else self.methods

    def rules(self, **changed: Any) -> Policy:
        """The policy that its calls are made under."""
        given = {"timeouts": self.timeouts, "retry": TWICE, "breaker": COUNTING, **self.policy, **changed}
        return Policy(**given)


def row(what: str, scene: Any, expected: Expected, **more: Any) -> Fault:
    """A row, its three main parts by position."""
    return Fault(what=what, scene=scene, expected=expected, **more)


@dataclass(frozen=True)
class Area:
    """Rows that belong together, with the heading they have on the page."""

    title: str
    rows: tuple[Fault, ...]
    about: str = ""
