#!/usr/bin/env python3
"""Write docs/observability/top.svg: what `resilient-client top` shows half a minute into an incident.

The incident is scripted and its time is virtual, so the picture is the same each time. Run it as
`python docs/observability/make_top_picture.py` after a change of the view.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from resilient_client import AsyncClient, Breaker, Bulkhead, Policy, Retry, Timeouts
from resilient_client.cli.top.picture import Moment, picture
from resilient_client.cli.top.rates import History
from resilient_client.cli.top.snapshot import snapshot
from resilient_client.cli.top.tables import Look
from resilient_client.telemetry.everywhere import EVERYWHERE
from resilient_client.telemetry.published import document
from resilient_client.telemetry.recent import Recent
from resilient_client.testing import VirtualWorld, steps

PICTURE: Final = Path(__file__).parent / "top.svg"

COLUMNS: Final = 112
LINES: Final = 26

BEGAN: Final = 1_767_323_580.0
"""The time of day, which is not shown; ages are."""

UNTIL: Final = 30.5
"""Seconds into the incident at which the picture is taken."""


def clients(world: VirtualWorld) -> list[tuple[AsyncClient, str, float]]:
    """Return who calls what, and how often a second."""
    quick = Policy(timeouts=Timeouts(attempt=0.8, total=2), breaker=Breaker(min_calls=10, window=10, open_for=4))
    narrow = Policy(
        timeouts=Timeouts(attempt=2, total=4),
        bulkhead=Bulkhead(max_concurrent=8, max_waiting=16),
        retry=Retry(max_attempts=2),
    )
    return [
        (world.async_client("orders", base_url="https://orders.internal"), "/orders?id={}&token=s3cret", 40),
        (world.async_client("payments", base_url="https://payments.internal", policy=quick), "/charges?order={}", 12),
        (world.async_client("search", base_url="https://search.internal", policy=narrow), "/search?page={}", 9),
        (world.async_client("stock", base_url="https://stock.internal", policy=quick), "/stock?item={}", 5),
    ]


def script(world: VirtualWorld) -> None:
    """Have everything go well, but for what the incident is about."""
    well, unavailable = steps.ok({}), steps.status(503)
    world.on("GET /orders", *[well] * 1187, steps.status(404), then=well)
    world.on("GET /charges", *[well] * 290, then=unavailable)
    world.on("GET /search", *[well] * 180, then=steps.ok({}, after=1.4))
    world.on("GET /stock", *[well] * 90, *[unavailable] * 16, then=well)


async def calls(world: VirtualWorld, client: AsyncClient, path: str, per_second: float) -> None:
    """Begin a call again and again, whether the ones before have ended or not."""
    number = 0
    while world.now < UNTIL + 1:
        number += 1
        world.spawn(client.get(path.format(number)))
        await world.sleep(1 / per_second)


async def incident(world: VirtualWorld, recent: Recent) -> Moment:
    """Live through it, and return what there is to see at its end."""
    for client, path, per_second in KEPT:
        world.spawn(calls(world, client, path, per_second))
    history = History()
    while world.now < UNTIL:
        await world.sleep(0.5)
        told = document(recent, wall=BEGAN + world.now)
        seen = snapshot({**told, "pid": 4711, "program": "checkout"})
        history.add(seen)
    return Moment("http://127.0.0.1:8047/state", seen, 0.1, history.rates())


def svg(moment: Moment) -> str:
    """Draw it, with fonts that every reader has: nothing is fetched from anywhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(picture(moment, Look(COLUMNS), LINES))
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = re.sub(r"<!--.*?-->\s*", "", form).replace("font-family: Fira Code, monospace", "font-family: monospace")
    return console.export_svg(title="resilient-client top", code_format=form, unique_id="top")


world = VirtualWorld(seed=11)
script(world)
KEPT: Final = clients(world)

if __name__ == "__main__":
    remembering = Recent(lambda: world.now)
    EVERYWHERE.add(remembering)
    PICTURE.write_text(svg(world.run(incident(world, remembering))), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.name} written\n")
