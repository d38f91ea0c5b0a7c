"""What several values must keep together, once they are put together: each mistake told at the value to change."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

from resilient_client.config.forms import shown
from resilient_client.config.layers import ON, Found, Key, Merged, as_written, part_of, policy_of
from resilient_client.errors import ConfigError, Problem
from resilient_client.policy import Breaker, Bulkhead, Policy, Retry, RetryBudget, Timeouts

PARTS: tuple[tuple[Key, type], ...] = (
    (("timeouts",), Timeouts),
    (("retry", "budget"), RetryBudget),
    (("retry",), Retry),
    (("breaker",), Breaker),
    (("bulkhead",), Bulkhead),
)

RANK = ("preset", "client", "route", "environment", "argument")


def contradictions(merged: Merged) -> Iterator[Problem]:
    """Yield what contradicts itself in the values of one client or route."""
    sound = True
    for key, kind in PARTS:
        found = merged.get(key)
        if found is None or found.value != ON:
            continue
        try:
            part_of(merged, key, kind)
        except ConfigError as problem:
            sound = False
            yield _told(merged, [(*key, name) for name in problem.keys], str(problem).partition(": ")[2])
    if sound:
        yield from _breaker_that_cannot_open(merged, policy_of(merged))


def _breaker_that_cannot_open(merged: Merged, policy: Policy) -> Iterator[Problem]:
    """Yield that a circuit never opens for a service that hangs: too few attempts end in its window."""
    breaker, bulkhead, attempt = policy.breaker, policy.bulkhead, policy.timeouts.attempt or policy.timeouts.total
    if breaker is None or bulkhead is None or attempt is None or breaker.consecutive is not None:
        return
    rounds = floor(min(breaker.window / attempt, 1e15)) + 1
    most = bulkhead.max_concurrent * rounds
    if breaker.min_calls > most:
        yield _told(
            merged,
            [("breaker", "min_calls"), ("breaker", "window"), ("bulkhead", "max_concurrent"), ("timeouts", "attempt")],
            f"a circuit that judges {breaker.min_calls} attempts in {breaker.window:g} s would never open for a "
            f"service that hangs: with {bulkhead.max_concurrent} at once and {attempt:g} s each, at most {most} end in "
            f"that time; lower min_calls, widen window, or add consecutive",
        )


def _told(merged: Merged, keys: list[Key], said: str) -> Problem:
    given = sorted(((key, merged[key]) for key in keys if key in merged), key=_precedence, reverse=True)
    if not given:
        return Problem("", ".".join(keys[0]) if keys else "", said)
    (key, first), *others = given
    also = [f"{'.'.join(key)} = {shown(as_written(key, one.value))} is from {one.origin}" for key, one in others]
    return Problem(
        first.origin.place,
        first.origin.path,
        said + (f" ({', '.join(also)})" if also else ""),
        shown(as_written(key, first.value)),
    )


def _precedence(given: tuple[Key, Found]) -> int:
    return RANK.index(given[1].origin.layer.kind)
