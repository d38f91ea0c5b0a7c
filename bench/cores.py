"""Which core does what: the client on the first that we may use, the server on the last."""

from __future__ import annotations

import os
from typing import Final

CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
CLIENT: Final = CORES[0] if len(CORES) > 1 else None
SERVER: Final = CORES[-1] if len(CORES) > 1 else None


def on_core(core: int | None, process: int = 0) -> None:
    """Keep a process, this one unless another is given, on one core; with only one there is no choice."""
    if core is not None:
        os.sched_setaffinity(process, {core})
