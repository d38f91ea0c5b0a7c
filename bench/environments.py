"""The interpreter that a contender runs on: this one, or one of its own for a package that replaces others."""

from __future__ import annotations

import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[1] / "build" / "bench"
"""Not under version control."""


class NoEnvironment(Exception):
    """The package could not be installed."""


@cache
def python_for(package: str) -> str:
    """Return the interpreter where `package` is installed, this one when there is none to name."""
    if not package:
        return sys.executable
    place = CACHE / f"{package}-{sys.version_info.major}.{sys.version_info.minor}"
    python = place / "bin" / "python"
    done = place / "complete"
    if not done.exists():
        venv.create(place, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", package]
        installed = subprocess.run(install, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise NoEnvironment(f"pip could not install {package}")
        done.touch()
    return str(python)


def version_of(package: str, python: str) -> str | None:
    """Return the version of an installed package."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    found = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
