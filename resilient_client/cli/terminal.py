"""What may go to stdout: styles only on a terminal that wants them, and nothing that could steer one."""

from __future__ import annotations

import os
import sys
from typing import Final

import typer

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
CONTROLS: Final = {code: shown for code, shown in _CONTROLS.items() if chr(code) not in "\n\t"}
"""What text from outside could steer a terminal with, as something to read."""


def styled() -> bool:
    """Return whether stdout is a terminal that is to have styles; NO_COLOR says that it is not."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def safe(text: str) -> str:
    """Return `text` so that it cannot steer a terminal; in a pipe every character counts."""
    return text.replace("\r\n", "\n").translate(CONTROLS) if sys.stdout.isatty() else text


def one_line(text: str) -> str:
    """Return `text` as one line, whatever is in it, wherever it goes."""
    return text.translate(_CONTROLS)


def coloured(text: str, colour: str) -> str:
    """Return `text`, safe and in colour where there are colours."""
    return typer.style(safe(text), fg=colour) if styled() else safe(text)
