"""What each contender promises: our policy, and the usual loop set up with the same numbers."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, Final

from resilient_client.policy import Breaker, Bulkhead, Default, Policy, Retry, Timeouts

ATTEMPT: Final = 0.5
CONNECT: Final = 0.25
MAX_ATTEMPTS: Final = 3
WAIT_INITIAL: Final = 0.1
WAIT_MAX: Final = 0.5

POLICY: Final = Policy(
    timeouts=Timeouts(total=2, attempt=ATTEMPT, connect=CONNECT),
    retry=Retry(max_attempts=MAX_ATTEMPTS, wait_initial=WAIT_INITIAL, wait_max=WAIT_MAX),
    breaker=Breaker(min_calls=10, window=2, open_for=0.5, open_max=1),
    bulkhead=Bulkhead(max_concurrent=10, max_waiting=10),
)

LOOP: Final = (
    f"httpx.Client(timeout=Timeout({ATTEMPT:g}, connect={CONNECT:g})) in tenacity's "
    f"Retrying(stop_after_attempt({MAX_ATTEMPTS}), wait_random_exponential({WAIT_INITIAL:g}, max={WAIT_MAX:g}))"
)


ALWAYS: Final = ("max_attempts", "wait_initial")
"""Shown even where they are the default: the loop has the same."""


def declared(policy: Any) -> str:
    """Return a policy as one would write it: the values that differ from the defaults."""
    given = []
    for field in fields(policy):
        value = getattr(policy, field.name)
        if field.name in ALWAYS or (value != field.default and not isinstance(value, Default)):
            given.append(f"{field.name}={declared(value) if is_dataclass(value) else f'{value:g}'}")
    return f"{type(policy).__name__}({', '.join(given)})"
