"""The incident: what the server does and for how long, from healthy over down to healthy again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from resilient_client.testing import FaultServer, steps
from resilient_client.testing.script import Step

PATH: Final = "/orders"

Play: TypeAlias = Callable[[FaultServer, int], object]

OUTAGE: Final = ("failing", "down")
"""The phases in which trying again mostly cannot help."""

RECOVERY: Final = "recovering"
"""The phase that begins when the server comes back."""


@dataclass(frozen=True, slots=True)
class Act:
    """A stretch of the incident. Acts of the same `phase` that follow each other are one phase."""

    phase: str
    seconds: float
    told: str
    play: Play


def _answers(make: Callable[[int], Step]) -> Play:
    """Script the route with the step that `make` returns for a seed; a server that was down comes up."""

    def play(server: FaultServer, seed: int) -> None:
        server.on(PATH, then=make(seed))
        server.up()

    return play


def _some(share: float, step: Step, otherwise: Step) -> Play:
    return _answers(lambda seed: steps.chance(share, step, otherwise, seed=seed))


ACTS: Final = (
    Act("healthy", 2.5, "answers after 10 ms", _answers(lambda _: steps.ok(after=0.01))),
    Act(
        "slow",
        3.0,
        "answers after 150 ms; one body in ten comes byte by byte and takes 2.5 s",
        _some(0.1, steps.drip_body(2.5), steps.ok(after=0.15)),
    ),
    Act("failing", 1.5, "a third of the answers are 500", _some(1 / 3, steps.status(500), steps.ok(after=0.01))),
    Act("failing", 1.5, "every answer is 500", _answers(lambda _: steps.status(500, after=0.01))),
    Act("down", 2.5, "takes requests and never answers", _answers(lambda _: steps.hang())),
    Act("down", 2.0, "refuses connections", lambda server, _: server.down()),
    Act(RECOVERY, 3.5, "answers after 50 ms, one in ten is 500", _some(0.1, steps.status(500), steps.ok(after=0.05))),
    Act("healthy again", 3.5, "answers after 10 ms", _answers(lambda _: steps.ok(after=0.01))),
)

SECONDS: Final = sum(act.seconds for act in ACTS)


def acts_within(seconds: float) -> tuple[Act, ...]:
    """Return the incident stretched or shortened to `seconds` in all."""
    return tuple(replace(act, seconds=act.seconds * seconds / SECONDS) for act in ACTS)
