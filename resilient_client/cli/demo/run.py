"""Run the incident: servers and workers up, act after act, everything down again, whatever happens in between."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from resilient_client.cli.demo.contender import Contender, Setup
from resilient_client.cli.demo.live import Moment, View
from resilient_client.cli.demo.numbers import Period
from resilient_client.cli.demo.ours import Asynchronous, Blocking
from resilient_client.cli.demo.report import Outcome, Report, merged, outcome_of
from resilient_client.cli.demo.scenario import Act
from resilient_client.cli.demo.usual import Loop
from resilient_client.cli.stopping import Stop

CONTENDERS: Final[tuple[type[Contender], ...]] = (Blocking, Asynchronous, Loop)

TICK: Final = 0.05

PATIENCE: Final = 3.0
"""Seconds after the end in which a call may still end; a worker that is inside one then counts as stuck."""


def run(setup: Setup, acts: Sequence[Act], view: View, stop: Stop) -> Report:
    """Live through `acts` and return what came of it; a signal cuts it short."""
    with ExitStack() as closing:
        contenders = []
        for kind in CONTENDERS:
            contenders.append(kind(setup))
            closing.callback(contenders[-1].close)
        periods = merged(_play(acts, contenders, view, stop))
        outcomes = _finish(contenders, periods, stop)
    return Report(setup.policy, setup.seed, stop.requested, periods, outcomes)


def _play(acts: Sequence[Act], contenders: Sequence[Contender], view: View, stop: Stop) -> list[Period]:
    periods: list[Period] = []
    start = until = time.monotonic()
    for act in acts:
        if stop.requested:
            break
        until += act.seconds
        began = time.monotonic()
        for contender in contenders:
            act.play(contender.server, contender.setup.seed)
            if not periods:
                contender.start()
        while (now := time.monotonic()) < until and not stop.requested:
            view.show(Moment(now, now - start, act, acts), contenders)
            time.sleep(min(TICK, until - now))
        periods.append(Period(act.phase, began, time.monotonic()))
    return periods


def _finish(contenders: Sequence[Contender], periods: Sequence[Period], stop: Stop) -> tuple[Outcome, ...]:
    """Let calls under way end, and after a signal cut them off; then look at what came of it."""
    for contender in contenders:
        contender.ended.set()
    until = time.monotonic() + PATIENCE
    while not stop.requested and time.monotonic() < until and any(one.ledger.calling for one in contenders):
        time.sleep(TICK)
    end = time.monotonic()
    if stop.requested:
        for contender in contenders:  # all of them before any is waited for
            contender.cut_off()
        for contender in contenders:
            contender.close()
    return tuple(outcome_of(contender, periods, end) for contender in contenders)
