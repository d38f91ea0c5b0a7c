"""Contenders against each other: fresh interpreters in shuffled rounds, ratios taken within a round.

A machine that is busy with something else slows down whoever runs at that moment. Two things help: CPU time counts only
what the client's process did, and a ratio is taken between runs that follow each other closely.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from statistics import median
from typing import Any, Final

from bench.cases import CASES, Case
from bench.contenders import CONTENDERS, Contender
from bench.environments import NoEnvironment, python_for, version_of
from bench.machine import machine
from bench.ratios import WHY, measured, ratio_of, within_rounds
from bench.report import Table, number, ratio, say
from bench.rounds import rounds as rounds_within
from bench.server import Server, server
from bench.turns import Found, turn

PEER: Final = "httpx"
FLOOR: Final = "floor"
Round = dict[str, dict[str, Found]]
"""Per case and contender, what was found in one round."""


def measure(
    cases: Iterable[str] = (),
    contenders: Iterable[str] = (),
    *,
    rounds: int = 5,
    minutes: float = 6.0,
    seconds: float = 0.25,
) -> dict[str, Any]:
    """Return what was measured, by case and contender: a number per round."""
    chosen = [CASES[name] for name in cases] or list(CASES.values())
    who = [CONTENDERS[name] for name in contenders] or list(CONTENDERS.values())
    runs: list[Round] = []
    with server() as far_side:
        for number_of_round in rounds_within(rounds, minutes):
            progress = f"round {number_of_round + 1}/{rounds}"
            runs.append(_round(progress, chosen, who, far_side, seconds, _given_up(runs)))
        found = machine(far_side.what)
    return {
        "machine": found,
        "versions": _versions(who),
        "settings": {"rounds": len(runs), "seconds": seconds},
        "cases": {case.name: _together(case.name, runs, who) for case in chosen},
    }


def _given_up(runs: list[Round]) -> set[tuple[str, str]]:
    """Return cases and contenders that need not be tried again."""
    return {(case, name) for run in runs for case, found in run.items() for name in found if not measured(found[name])}


def _round(
    progress: str,
    cases: list[Case],
    who: list[Contender],
    far_side: Server,
    seconds: float,
    without: set[tuple[str, str]],
) -> Round:
    """Let each contender run once, in an order that is drawn anew."""
    found: Round = {case.name: {} for case in cases}
    order = random.sample(who, len(who))
    for place, contender in enumerate(order):
        say(f"{progress}: {place + 1}/{len(order)} {contender.name}")
        mine = [case.name for case in cases if case.kind in contender.kinds]
        wanted = [name for name in mine if (name, contender.name) not in without]
        for case, one in turn(contender, wanted, far_side, seconds).items():
            found[case][contender.name] = one
    say("")
    return found


def _versions(who: list[Contender]) -> dict[str, str]:
    packages = {package: sys.executable for one in who for package in one.packages}
    for one in who:
        if one.environment:
            try:
                packages[one.environment] = python_for(one.environment)
            except NoEnvironment:
                continue
    found = {package: version_of(package, python) for package, python in packages.items()}
    return {package: version for package, version in sorted(found.items()) if version}


def _together(case: str, runs: list[Round], who: list[Contender]) -> dict[str, Found]:
    """Return the rounds of each contender; of one that did not get through all of them, why."""
    mine = [run[case] for run in runs]
    own = {one.name: [run[one.name] for run in mine if one.name in run] for one in who}
    return {name: _numbers(found) for name, found in own.items() if found}


def _numbers(own: list[Found]) -> Found:
    problem = next((one for one in own if not measured(one)), None)
    return problem or {key: [round(one[key], 2) for one in own] for key in ("cpu_us", "per_second")}


# How it is shown.


def tables(found: dict[str, Any]) -> list[Table]:
    """Return one table per case, the cheapest contender first."""
    return [_table(CASES[name], contenders) for name, contenders in found["cases"].items()]


def _table(case: Case, contenders: dict[str, Found]) -> Table:
    header = ("", "CPU us", "requests/s", "CPU / httpx", "from - to", "CPU / sockets")
    present = {name: one for name, one in contenders.items() if "absent" not in one}
    ordered = sorted(present, key=lambda name: median(present[name].get("cpu_us", [float("inf")])))
    return Table(case.title, header, [_row(name, contenders) for name in ordered], case.name)


def _row(name: str, contenders: dict[str, Found]) -> tuple[str, ...]:
    one, peer = contenders[name], contenders.get(PEER)
    title = CONTENDERS[name].title
    if not measured(one):
        return (title, "did not finish", "", "", "", "")
    ratios = within_rounds(one, peer, "cpu_us") if peer is not None and measured(peer) else []
    return (
        title,
        number(median(one["cpu_us"])),
        number(median(one["per_second"])),
        ratio(ratio_of(one, peer)),
        f"{ratio(min(ratios))} - {ratio(max(ratios))}" if ratios else "",
        number(ratio_of(one, contenders.get(FLOOR)), 1),
    )


def notes(found: dict[str, Any]) -> list[str]:
    """Return who was not measured or did not finish, where, and the first reason."""
    told: dict[tuple[str, str], list[str]] = {}
    reasons: dict[tuple[str, str], str] = {}
    for case, contenders in found["cases"].items():
        for name, one in contenders.items():
            for why in WHY.keys() & one.keys():
                told.setdefault((name, why), []).append(CASES[case].title)
                reasons.setdefault((name, why), one[why])
    return [
        f"{CONTENDERS[name].title} {WHY[why]}: {'; '.join(cases)} ({reasons[name, why]})"
        for (name, why), cases in told.items()
    ]
