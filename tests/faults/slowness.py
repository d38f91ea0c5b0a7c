"""Rows: servers that take their time."""

from __future__ import annotations

from faults.expected import answer, final, fine, seen
from faults.fault import SHORT, Area, only, row
from faults.scenes import Plays

from resilient_client import FailureKind as K
from resilient_client import Timeouts
from resilient_client.testing import steps

AREA = Area(
    "Slowness",
    (
        row("It never answers, under `read`.", Plays(steps.hang()), seen(K.READ_TIMEOUT, waits=SHORT), timeouts=only(read=SHORT)),
        row("It never answers, under `attempt`.", Plays(steps.hang()), seen(K.ATTEMPT_TIMEOUT, waits=SHORT), timeouts=only(attempt=SHORT)),
    ),
)
