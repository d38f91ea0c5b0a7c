"""What the numbers were measured on, in general terms."""

from __future__ import annotations

import os
import platform
from typing import Any

from bench.cores import CORES


def machine(server: str = "") -> dict[str, Any]:
    """Return cores, system and Python; never a name of the machine."""
    found = {
        "cores": len(CORES) or os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    return {**found, "server": server} if server else found
