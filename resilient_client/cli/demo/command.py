"""The command `demo`: an incident in twenty seconds, and the difference it makes how one calls."""

from __future__ import annotations

import json
import random
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from resilient_client.cli.stopping import Stop, stopping

if TYPE_CHECKING:
    from resilient_client.cli.demo.report import Report


def demo(
    *,
    seconds: Annotated[float, typer.Option("--seconds", min=2, max=600, help="How long the incident lasts.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Where everything random starts from.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the final numbers as JSON and nothing else.")] = False,
) -> None:
    """Live through an incident: a server of our own is healthy, slow, failing, down, recovering and healthy again.

    The same stream of calls is made with Client, with AsyncClient, and with httpx in a retry loop. No network is used.
    """
    random.seed(seed)  # backoff and jitter, ours and the loop's
    with stopping() as stop:
        report = _shown(seconds, seed, stop, as_json=as_json)
    if as_json:
        sys.stdout.write(_document(report) + "\n")
    if stop.requested:
        raise typer.Exit(128 + stop.signal)


def _shown(seconds: float, seed: int, stop: Stop, *, as_json: bool) -> Report:
    # Only this command pays for importing rich, httpx's client and the paired server.
    from resilient_client.cli.demo import screen  # noqa: PLC0415
    from resilient_client.cli.demo.contender import Setup  # noqa: PLC0415
    from resilient_client.cli.demo.pace import Pace  # noqa: PLC0415
    from resilient_client.cli.demo.policies import POLICY  # noqa: PLC0415
    from resilient_client.cli.demo.scenario import acts_within  # noqa: PLC0415

    return screen.watch(Setup(POLICY, Pace(seed=seed), seed), acts_within(seconds), stop, silent=as_json)


def _document(report: Report) -> str:
    from resilient_client.cli.demo.conclusion import conclusions  # noqa: PLC0415

    return json.dumps({**report.as_dict(), "conclusions": conclusions(report)}, indent=2)
