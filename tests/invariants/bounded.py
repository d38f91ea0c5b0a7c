"""How many examples hypothesis tries here: the same few in every run, or many new ones when somebody asks."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

ASKED = os.environ.get("INVARIANT_EXAMPLES")
"""Set it to a number to try so many examples of each machine, other ones each time."""


def bounded(examples: int, steps: int = 50) -> settings:
    """Settings that give the same run everywhere, with no clock in them, and a blob to repeat a failure with."""
    return settings(
        max_examples=int(ASKED) if ASKED else examples,
        stateful_step_count=steps,
        derandomize=not ASKED,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


patient = pytest.mark.timeout(0 if ASKED else 600)
"""For machines: when one fails, hypothesis takes minutes to make the failure small."""
