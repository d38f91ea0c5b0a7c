"""What the scenarios share."""

from __future__ import annotations

from typing import Any

from resilient_client import Policy, Result, Retry

FAST = Retry(wait_initial=0, wait_max=0, budget=None)
"""Three attempts without a wait."""


def policy(**parts: Any) -> Policy:
    """A policy whose retries do not wait long, so that it can run on the wire."""
    return Policy(**{"retry": Retry(wait_initial=0.001, wait_max=0.01), **parts})


def kinds(result: Result[Any]) -> list[str | None]:
    return [attempt.kind and str(attempt.kind) for attempt in result.attempts]


def statuses(result: Result[Any]) -> list[int | None]:
    return [attempt.status for attempt in result.attempts]
