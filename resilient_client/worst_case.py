"""The worst case of a policy: how long one call can take, and what that time is made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from resilient_client.pipeline.retry import backoff
from resilient_client.policy import Policy, Retry

MOST_PARTS: Final = 21
"""Parts that are told one by one; a policy of hundreds of attempts is told in sum."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the worst case: an attempt that takes all its time, or the longest pause after it, in seconds."""

    kind: Literal["attempt", "pause"]
    seconds: float


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What a call comes to when every attempt takes all the time it may. `seconds` is `inf` without any bound."""

    attempts: int
    spans: tuple[Span, ...]
    seconds: float
    cut: bool
    """Whether the deadline cuts it short: without one it would take longer."""

    def words(self) -> str:
        """Return it in a line: `at most 3 attempts, worst case 5.0 s: 2.0 + 0.1 + 2.0 + 0.2 + 0.7`."""
        count = f"at most {self.attempts} attempt{'' if self.attempts == 1 else 's'}"
        if self.seconds == inf:
            return f"{count}, and nothing bounds the time of one"
        parts = [number(span.seconds) for span in self.spans]
        if len(parts) >= MOST_PARTS:
            parts.append("...")
        return f"{count}, worst case {number(self.seconds)} s: {' + '.join(parts)}"

    def drawing(self, width: int = 60) -> str:
        """Return it as a bar: attempts as `=`, pauses as `.`, to scale."""
        if self.seconds in {0, inf}:
            return ""
        bar, at = "", 0.0
        for span in self.spans:
            at += span.seconds
            end = max(len(bar) + 1, round(at / self.seconds * width))
            bar += ("=" if span.kind == "attempt" else ".") * (end - len(bar) - 1) + "|"
        left, right = "0", f"{number(self.seconds)} s"
        return f"|{bar}\n{left}{right:>{max(len(bar), len(right) + 1)}}"


def number(value: float) -> str:
    """Return seconds with one decimal, and more where one would say nothing."""
    return f"{value:.1f}" if value >= 0.1 and abs(round(value, 1) - value) < 1e-9 else f"{value:.3g}"


def worst_case(policy: Policy) -> WorstCase:
    """Return the worst case of a call under `policy`.

    Each attempt takes its `attempt` timeout and is followed by the longest pause its backoff may make; `total` cuts
    what is left over. A server that asks for a pause (429, 503, Retry-After) may lengthen pauses, never past `total`.
    """
    timeouts = policy.timeouts
    attempt = inf if timeouts.attempt is None else timeouts.attempt
    total = inf if timeouts.total is None else timeouts.total
    retry = policy.retry or Retry(max_attempts=1)
    spans: list[Span] = []
    left = total
    for tried in range(1, retry.max_attempts + 1):
        if left <= 0 or len(spans) >= MOST_PARTS:
            break
        spans.append(Span("attempt", min(attempt, left)))
        left -= spans[-1].seconds
        if tried < retry.max_attempts and left > 0 and attempt != inf:
            pause = backoff(retry, tried, 1.0)
            if pause >= left:  # it is not slept: there would be no time for what comes after it
                break
            spans.append(Span("pause", pause))
            left -= pause
    unbounded = _sum(retry, attempt)
    return WorstCase(retry.max_attempts, tuple(spans), min(total, unbounded), unbounded > total)


def _sum(retry: Retry, attempt: float) -> float:
    count = retry.max_attempts
    listed = min(count, 1000)
    pauses = sum(backoff(retry, number, 1.0) for number in range(1, listed)) + (count - listed) * retry.wait_max
    return count * attempt + pauses
