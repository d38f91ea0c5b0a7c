"""What the scenarios share."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from resilient_client import Policy, Result, Retry

FAST = Retry(wait_initial=0, wait_max=0, budget=None)
"""Three attempts without a wait."""


def policy(**parts: Any) -> Policy:
    """A policy whose retries do not wait long, so that it can run on the wire."""
    return Policy(**{"retry": Retry(wait_initial=0.001, wait_max=0.01), **parts})


async def assert_alone() -> None:
    """Check that no other task is left in this loop; closing a connection takes a few turns of it."""
    until = time.monotonic() + 10
    while (left := asyncio.all_tasks() - {asyncio.current_task()}) and time.monotonic() < until:
        await asyncio.sleep(0.001)
    assert not left


def kinds(result: Result[Any]) -> list[str | None]:
    return [attempt.kind and str(attempt.kind) for attempt in result.attempts]


def statuses(result: Result[Any]) -> list[int | None]:
    return [attempt.status for attempt in result.attempts]
