"""What came out in the end, as values: per contender in all, per phase and during the outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from resilient_client.cli.demo.contender import Contender
from resilient_client.cli.demo.numbers import Evidence, Numbers, Period
from resilient_client.cli.demo.policies import LOOP, declared
from resilient_client.cli.demo.scenario import OUTAGE, RECOVERY
from resilient_client.policy import Policy


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one contender came through."""

    name: str
    total: Numbers
    outage: Numbers | None
    phases: dict[str, Numbers]
    first_success: float | None
    """Seconds from the server's return to the first answer a caller got."""
    workers_stuck: int
    permits_stuck: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return the same for JSON."""
        return {
            "total": self.total.as_dict(),
            "outage": self.outage and self.outage.as_dict(),
            "phases": {phase: numbers.as_dict() for phase, numbers in self.phases.items()},
            "first_success_after_recovery": self.first_success,
            "workers_stuck": self.workers_stuck,
            "permits_stuck": self.permits_stuck,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The whole demo. `ours` come first in `outcomes`, the usual loop is the last."""

    policy: Policy
    seed: int
    interrupted: bool
    periods: tuple[Period, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def ours(self) -> tuple[Outcome, ...]:
        """The contenders that are this package's clients."""
        return self.outcomes[:-1]

    @property
    def loop(self) -> Outcome:
        """The usual way."""
        return self.outcomes[-1]

    def as_dict(self) -> dict[str, Any]:
        """Return the same for JSON, seconds counted from the start."""
        zero = self.periods[0].start if self.periods else 0.0
        return {
            "seed": self.seed,
            "interrupted": self.interrupted,
            "policy": asdict(self.policy),
            "loop": LOOP,
            "phases": [
                {"phase": period.phase, "start": period.start - zero, "end": period.end - zero}
                for period in self.periods
            ],
            "contenders": {outcome.name: outcome.as_dict() for outcome in self.outcomes},
        }

    def declared(self) -> str:
        """Return the policy as one would write it."""
        return declared(self.policy)


def merged(periods: Sequence[Period]) -> tuple[Period, ...]:
    """Return the periods with those of one phase that follow each other as one."""
    joined: list[Period] = []
    for period in periods:
        if joined and joined[-1].phase == period.phase:
            period = Period(period.phase, joined.pop().start, period.end)  # noqa: PLW2901 - it grows
        joined.append(period)
    return tuple(joined)


def outcome_of(contender: Contender, periods: Sequence[Period], end: float) -> Outcome:
    """Return how `contender` came through `periods`; everything had ended at `end`."""
    evidence = Evidence(contender)
    outage = [period for period in periods if period.phase in OUTAGE]
    returned = [period.start for period in periods if period.phase == RECOVERY]
    state = contender.state()
    return Outcome(
        name=contender.name,
        total=evidence.of(periods[0].start, periods[-1].end, retried_until=end) if periods else evidence.of(end, end),
        outage=evidence.of(outage[0].start, outage[-1].end) if outage else None,
        phases={period.phase: evidence.of(period.start, period.end) for period in periods},
        first_success=evidence.first_success_after(returned[0]) if returned else None,
        workers_stuck=contender.ledger.calling,
        permits_stuck=state.permits_in_use if state else None,
    )
