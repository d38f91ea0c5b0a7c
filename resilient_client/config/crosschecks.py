"""What several values must keep together, once they are put together: each mistake told at the value to change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import floor, inf
from typing import Final

from resilient_client.config.forms import shown
from resilient_client.config.layers import BUILT_IN, ON, Found, Key, Merged, as_written, part_of
from resilient_client.errors import ConfigError, Problem
from resilient_client.policy import Breaker, Bulkhead, Policy, Retry, RetryBudget, Timeouts

PARTS: Final[tuple[tuple[Key, type], ...]] = (
    (("timeouts",), Timeouts),
    (("retry", "budget"), RetryBudget),
    (("retry",), Retry),
    (("breaker",), Breaker),
    (("bulkhead",), Bulkhead),
)

JUDGING: Final[tuple[Key, ...]] = (("breaker", "min_calls"), ("breaker", "window"))

RANK: Final = ("preset", "client", "route", "environment", "argument")


def contradictions(merged: Merged) -> Iterator[Problem]:
    """Yield what contradicts itself in the values of one client or route."""
    for key, kind in PARTS:
        found = merged.get(key)
        if found is None or found.value != ON:
            continue
        try:
            part_of(merged, key, kind)
        except ConfigError as problem:
            yield _told(merged, [(*key, name) for name in problem.keys], str(problem).partition(": ")[2])


def never_open(sharing: Sequence[tuple[Merged, Policy]]) -> Iterator[Problem]:
    """Yield that a circuit would never open for a service that hangs: too few attempts could end in its window.

    A hung service ends an attempt only when the attempt's time is up, and only so many hang at once. `sharing` are the
    values and policies of a client and of its routes; those with equal breakers share their circuits. With the default
    numbers, which nobody chose for this bulkhead, nobody is told.
    """
    groups: dict[Breaker, list[tuple[Merged, Policy]]] = {}
    for merged, policy in sharing:
        if policy.breaker is not None and policy.breaker.consecutive is None:
            groups.setdefault(policy.breaker, []).append((merged, policy))
    for breaker, group in groups.items():
        merged = group[0][0]
        most = _most(breaker, [policy for _, policy in group])
        chosen = (breaker.min_calls, breaker.window) != (Breaker().min_calls, Breaker().window)
        if chosen and breaker.min_calls > most:
            yield _told(
                merged,
                [*JUDGING, ("bulkhead", "max_concurrent"), ("timeouts", "attempt")],
                f"a circuit that judges {breaker.min_calls} attempts in {breaker.window:g} s would never open for a "
                f"service that hangs: with this bulkhead and these timeouts at most {most:g} end in that time; lower "
                f"min_calls, widen window, or add consecutive",
            )


def _most(breaker: Breaker, policies: Sequence[Policy]) -> float:
    """Return how many attempts can end in a window when each takes all its time."""
    most: dict[Bulkhead, float] = {}
    for policy in policies:
        attempt = policy.timeouts.attempt or policy.timeouts.total
        if policy.bulkhead is None or attempt is None:
            return inf
        rounds = floor(min(breaker.window / attempt, 1e15)) + 1
        most[policy.bulkhead] = max(most.get(policy.bulkhead, 0), policy.bulkhead.max_concurrent * rounds)
    return sum(most.values())


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


def _precedence(given: tuple[Key, Found]) -> tuple[bool, int]:
    """Blame what somebody can change, and of that what stands on top."""
    origin = given[1].origin
    return origin.place != BUILT_IN, RANK.index(origin.layer.kind)
