"""One contender's turn, in an interpreter of its own. What crashes or hangs is named, and the rest goes on."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterable
from typing import Any

from bench.child import MARK, longest
from bench.contenders import Contender
from bench.environments import NoEnvironment, python_for
from bench.processes import run_module
from bench.server import Server

Found = dict[str, Any]
"""What was measured in one case, or, under "absent" or "unfinished", why it was not."""

STARTING = 30.0
"""Seconds that an interpreter may take to start and to import the contender."""


def turn(
    contender: Contender, cases: Iterable[str], far_side: Server, seconds: float, *, limit: float | None = None
) -> dict[str, Found]:
    """Return what was found by case. An interpreter that is lost takes one case with it; another does the rest.

    A case that takes longer than `limit` seconds hangs; by default what its window and all its waits come to.
    """
    found: dict[str, Found] = {}
    names = list(cases)
    while left := [name for name in names if name not in found]:
        answers, problem = _run(contender, left, far_side, seconds, limit or longest(seconds))
        found |= answers
        if not answers or "unfinished" not in list(answers.values())[-1]:
            lost = next((name for name in left if name not in answers), None)
            if lost is not None:
                found[lost] = {"absent": problem}
    return found


def _run(
    contender: Contender, names: list[str], far_side: Server, seconds: float, limit: float
) -> tuple[dict[str, Found], str]:
    """Return what one interpreter told of these cases, and why it ended before the last of them."""
    job = {
        "module": contender.where,
        "options": contender.options,
        "loop": contender.loop,
        "cases": names,
        "urls": far_side.urls,
        "roots": far_side.roots,
        "seconds": seconds,
        "limit": limit,
    }
    try:
        python = python_for(contender.environment)
    except NoEnvironment as problem:
        return {name: {"absent": str(problem)} for name in names}, ""
    try:
        timeout = STARTING + len(names) * limit
        child = run_module("bench.child", json.dumps(job), python=python, timeout=timeout)
    except subprocess.TimeoutExpired as problem:
        return _answers(output_of(problem)), f"hung for {problem.timeout:.0f} s"
    return _answers(child.stdout), ending(child)


def _answers(told: str) -> dict[str, Found]:
    lines = [json.loads(line) for line in told.splitlines() if line.startswith(MARK) and line.endswith("}")]
    return {line.pop("case"): line for line in lines}


def output_of(problem: subprocess.TimeoutExpired) -> str:
    """Return what a child told before it was ended; it comes undecoded on POSIX."""
    told = problem.stdout or b""
    return told.decode() if isinstance(told, bytes) else told


def ending(child: subprocess.CompletedProcess[str]) -> str:
    """Return in a line why a child ended that should not have."""
    if child.returncode < 0:
        return f"ended by {signal.Signals(-child.returncode).name}"
    return child.stderr.strip().rpartition("\n")[2] or f"ended with exit code {child.returncode}"
