"""Sentences about the difference, each printed only when the numbers of this run carry it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from resilient_client.cli.demo.report import Outcome, Report
from resilient_client.cli.demo.wording import duration, listed

CLEARLY = 0.8
"""A number is only called smaller than another when it is at most this share of it."""

CALLS = 20
"""Fewer calls than these say nothing."""


def conclusions(report: Report) -> list[str]:
    """Return what this run has shown."""
    if min(outcome.total.calls for outcome in report.outcomes) < CALLS:
        return []
    return [sentence for told in (_load, _waits, _answers, _return) for sentence in told(report)]


def _load(report: Report) -> Iterator[str]:
    def of(outcome: Outcome) -> float | None:
        return outcome.outage.load_per_call if outcome.outage else None

    theirs, worst = of(report.loop), _largest(report, of)
    if theirs is not None and worst is not None and worst < CLEARLY * theirs:
        yield (
            f"While it was failing and down, the server had {theirs:.2f} requests to bear for each call made with "
            f"{report.loop.name}, {_each(report, of, '{:.2f}'.format)}."
        )


def _waits(report: Report) -> Iterator[str]:
    theirs, worst = report.loop.total.worst, _largest(report, lambda outcome: outcome.total.worst)
    if theirs is None or worst is None or not worst < CLEARLY * theirs:
        return
    allowed = report.policy.timeouts.total
    kept = f", within the {allowed:g} s of the policy" if allowed is not None and worst <= allowed else ""
    yield (
        f"No caller of {listed([outcome.name for outcome in report.ours])} waited longer than {duration(worst)}{kept}; "
        f"with {report.loop.name} the longest wait was {duration(theirs)}."
    )


def _answers(report: Report) -> Iterator[str]:
    theirs = report.loop.total.successes
    ours = [outcome.total.successes for outcome in report.ours]
    told = "Answers to callers"
    if not report.interrupted and min(ours) >= theirs:
        told = f"{listed(outcome.name for outcome in report.ours)} got no fewer answers for it"
    elif not report.interrupted and max(ours) < theirs:
        told = f"{report.loop.name} got more answers for it"
    numbers = listed(f"{outcome.total.successes} with {outcome.name}" for outcome in report.outcomes)
    yield f"{told}: of {report.loop.total.due} calls that were due, {numbers} got one."


def _return(report: Report) -> Iterator[str]:
    firsts = [outcome.first_success for outcome in report.outcomes]
    if all(first is not None for first in firsts):
        times = listed(f"{duration(outcome.first_success)} with {outcome.name}" for outcome in report.outcomes)
        yield f"After the server came back, the first answer reached a caller after {times}."


def _largest(report: Report, of: Callable[[Outcome], float | None]) -> float | None:
    values = [of(outcome) for outcome in report.ours]
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _each(report: Report, of: Callable[[Outcome], float | None], shown: Callable[[float], str]) -> str:
    return listed(f"{shown(of(outcome) or 0.0)} with {outcome.name}" for outcome in report.ours)
