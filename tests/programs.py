"""Programs that tests run beside themselves: where they are, and what it means that one is missing."""

from __future__ import annotations

import os
import shutil
import sysconfig

import pytest

REQUIRED = "REQUIRE_PEERS"
"""The variable under which a missing program fails a test. CI sets it: there, nothing may pass by being skipped."""


ELSEWHERE = ("/usr/sbin", "/usr/local/sbin", sysconfig.get_path("scripts"))
"""Where programs are that need not be on the PATH: those of the system, and those of a package."""


def program(name: str, install: str) -> str:
    """The path of a program; without it the test is skipped, or fails where CI says that it has to be there."""
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(ELSEWHERE))
    if found is not None:
        return found
    missing = f"{name} is not installed; this test needs a real one: {install}"
    if os.environ.get(REQUIRED, "0") != "0":
        pytest.fail(f"{missing} ({REQUIRED} is set)")
    pytest.skip(missing)
