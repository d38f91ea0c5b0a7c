"""The view on a terminal that moves, and the same once as plain text."""

from __future__ import annotations

import io
import sys
import time
from typing import Final

from rich.console import Console
from rich.live import Live

from resilient_client.cli.stopping import Stop
from resilient_client.cli.top.picture import picture
from resilient_client.cli.top.source import Reading, Source
from resilient_client.cli.top.tables import Look
from resilient_client.cli.top.watch import Watch

TICK: Final = 0.1
"""Seconds between two looks at whether the user wants an end or the terminal has another size."""

UNBOUNDED: Final = 10_000
"""Columns where nothing is to be cut: in a pipe."""


def animated() -> bool:
    """Return whether stdout can show a picture that moves."""
    return sys.stdout.isatty() and not Console().is_dumb_terminal


def once(source: Source, first: Reading) -> str:
    """Return the view as plain text; a terminal cuts what is too wide for it, a pipe does not."""
    width = Console().width if sys.stdout.isatty() else UNBOUNDED
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, force_terminal=False, emoji=False, markup=False)
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    console.print(picture(Watch(source, first).moment(), Look(width, blocks=not ascii_only)))
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def live(source: Source, first: Reading, every: float, stop: Stop) -> None:
    """Show the view until the user wants an end, and leave the terminal as it was."""
    console = Console(highlight=False, emoji=False, markup=False)
    watch = Watch(source, first)
    with Live(console=console, auto_refresh=False, screen=True) as screen:
        while not stop.requested:
            size = _draw(screen, watch, console)
            due = time.monotonic() + every
            while not stop.requested and time.monotonic() < due and console.size == size:
                time.sleep(TICK)
            if time.monotonic() >= due and not stop.requested:
                watch.look()


def _draw(screen: Live, watch: Watch, console: Console) -> tuple[int, int]:
    size = console.size
    look = Look(size.width, blocks=not console.options.ascii_only)
    screen.update(picture(watch.moment(), look, size.height), refresh=True)
    return size
