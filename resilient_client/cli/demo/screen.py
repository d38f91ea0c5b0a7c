"""The demo from its first line to its last: the policy, the incident while it runs, what it came to."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from resilient_client.cli.demo.contender import Setup
from resilient_client.cli.demo.live import Lines, Picture, Silent, animated
from resilient_client.cli.demo.policies import LOOP, declared
from resilient_client.cli.demo.report import Report
from resilient_client.cli.demo.run import run
from resilient_client.cli.demo.scenario import Act
from resilient_client.cli.demo.table import show
from resilient_client.cli.stopping import Stop


def watch(setup: Setup, acts: Sequence[Act], stop: Stop, *, silent: bool) -> Report:
    """Run the incident before the user's eyes, or silently, and return the report."""
    if silent:
        return run(setup, acts, Silent(), stop)
    console = Console(highlight=False, emoji=False, markup=False)
    _introduce(setup, console)
    if animated(console):
        with Live(console=console, auto_refresh=False, transient=True) as live:
            report = run(setup, acts, Picture(live), stop)
    else:
        report = run(setup, acts, Lines(), stop)
    if stop.requested:
        console.print("interrupted; this is what was measured so far")
    show(report, console)
    return report


def _introduce(setup: Setup, console: Console) -> None:
    pace = setup.pace
    one_line = not console.is_terminal
    console.print(f"Client, AsyncClient: {declared(setup.policy)}", soft_wrap=one_line)
    console.print(f"the usual way: {LOOP}", soft_wrap=one_line)
    console.print(
        f"each with {pace.workers} workers that aim at {pace.per_second:g} calls a second, against its own server"
    )
