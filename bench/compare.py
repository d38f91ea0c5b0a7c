"""Contenders against each other: fresh interpreters in shuffled rounds, ratios taken within a round.

A machine that is busy with something else slows down whoever runs at that moment. Two things help: CPU time counts only
what the client's process did, and a ratio is taken between runs that follow each other closely.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any, Final

from bench.cases import CASES, Case
from bench.contenders import CONTENDERS, Contender
from bench.environments import NoEnvironment, python_for, version_of
from bench.machine import machine
from bench.processes import run_module
from bench.report import Table, number, ratio, say
from bench.server import Server, server

PEER: Final = "httpx"
FLOOR: Final = "floor"
Runs = list[dict[str, dict[str, dict[str, Any]]]]
"""Per round, case and contender: what the child said."""


def measure(
    cases: Iterable[str] = (), contenders: Iterable[str] = (), *, rounds: int = 5, seconds: float = 0.5
) -> dict[str, Any]:
    """Return what was measured, by case and contender."""
    chosen = [CASES[name] for name in cases] or list(CASES.values())
    who = [CONTENDERS[name] for name in contenders] or list(CONTENDERS.values())
    runs: Runs = []
    with server() as far_side:
        for number_of_round in range(rounds):
            progress = f"round {number_of_round + 1}/{rounds}"
            runs.append(_round(progress, chosen, who, far_side, seconds, _unfinished(runs)))
        found = machine(far_side.what)
    return {
        "machine": found,
        "versions": _versions(who),
        "settings": {"rounds": rounds, "seconds": seconds},
        "cases": {case.name: _summaries(case.name, runs, who) for case in chosen},
    }


def _unfinished(runs: Runs) -> set[tuple[str, str]]:
    """Return cases and contenders that need not be tried again."""
    return {
        (case, name)
        for run in runs
        for case, found in run.items()
        for name, one in found.items()
        if "unfinished" in one
    }


def _round(
    progress: str,
    cases: list[Case],
    who: list[Contender],
    far_side: Server,
    seconds: float,
    without: set[tuple[str, str]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Let each contender run once, in an order that is drawn anew."""
    found: dict[str, dict[str, dict[str, Any]]] = {case.name: {} for case in cases}
    order = random.sample(who, len(who))
    for place, contender in enumerate(order):
        say(f"{progress}: {place + 1}/{len(order)} {contender.name}")
        mine = [case.name for case in cases if case.kind in contender.kinds]
        for answer in _child(
            contender, [name for name in mine if (name, contender.name) not in without], far_side, seconds
        ):
            found[answer.pop("case")][contender.name] = answer
    say("")
    return found


def _child(contender: Contender, names: list[str], far_side: Server, seconds: float) -> Iterator[dict[str, Any]]:
    if not names:
        return
    job = {
        "module": contender.module,
        "options": contender.options,
        "loop": contender.loop,
        "cases": names,
        "urls": far_side.urls,
        "roots": far_side.roots,
        "seconds": seconds,
    }
    try:
        python = python_for(contender.environment)
        timeout = 60 + len(names) * (seconds + 20)
        child = run_module("bench.child", json.dumps(job), python=python, timeout=timeout)
        answers = [json.loads(line) for line in child.stdout.splitlines()]
        problem = child.stderr.strip().rpartition("\n")[2]
    except (NoEnvironment, subprocess.TimeoutExpired) as failed:
        answers, problem = [], str(failed)
    yield from answers
    for name in names[len(answers) :]:
        yield {"case": name, "absent": problem or "ended before it came to this"}


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


def _summaries(case: str, runs: Runs, who: list[Contender]) -> dict[str, dict[str, Any]]:
    mine = [run[case] for run in runs]
    return {one.name: _summary(one.name, mine) for one in who if any(one.name in run for run in mine)}


def _summary(name: str, runs: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return medians over the rounds; for one that did not get through all of them, why."""
    own = [run[name] for run in runs if name in run]
    for why in ("absent", "unfinished"):
        for one in own:
            if why in one:
                return {why: one[why]}
    found: dict[str, Any] = {key: median(one[key] for one in own) for key in ("cpu_us", "per_second")}
    for key, other in (("to_httpx", PEER), ("to_floor", FLOOR)):
        ratios = [run[name]["cpu_us"] / run[other]["cpu_us"] for run in runs if "cpu_us" in run.get(other, {})]
        if ratios:
            found[key] = median(ratios)
            found[f"{key}_from_to"] = [min(ratios), max(ratios)]
    return found


# How it is shown.

WHY: Final = {"absent": "was not measured", "unfinished": "did not finish"}


def tables(found: dict[str, Any]) -> list[Table]:
    """Return one table per case, the cheapest contender first."""
    return [_table(CASES[name], contenders) for name, contenders in found["cases"].items()]


def _table(case: Case, contenders: dict[str, dict[str, Any]]) -> Table:
    header = ("", "CPU us", "requests/s", "CPU / httpx", "from - to", "CPU / sockets")
    present = {name: one for name, one in contenders.items() if "absent" not in one}
    ordered = sorted(present.items(), key=lambda item: item[1].get("cpu_us", float("inf")))
    return Table(case.title, header, [_row(name, one) for name, one in ordered], case.name)


def _row(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    title = CONTENDERS[name].title
    if "unfinished" in one:
        return (title, "did not finish", "", "", "", "")
    low, high = one.get("to_httpx_from_to", (None, None))
    return (
        title,
        number(one["cpu_us"]),
        number(one["per_second"]),
        ratio(one.get("to_httpx")),
        "" if low is None else f"{ratio(low)} - {ratio(high)}",
        number(one.get("to_floor"), 1),
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
