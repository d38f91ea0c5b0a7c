"""Function calls and system calls per request: exact, and so fit to stop a regression in CI.

`python -m bench.counters --record` writes what a request of ours costs on this Python into `bench/counts.json`, and a
test asserts that it costs no more. Do it after a change that is worth its price, or that made things cheaper.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from bench.cases import CASES, Kind
from bench.contenders import CONTENDERS
from bench.counting import BEGIN, END
from bench.environments import NoEnvironment, python_for
from bench.machine import machine
from bench.processes import run_module
from bench.report import Table, number
from bench.server import server

RECORDED: Final = Path(__file__).with_name("counts.json")
KINDS: Final[tuple[Kind, ...]] = ("blocking", "asynchronous")
VERSION: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
TRACED: Final = 200
"""Requests that a tracer counts the system calls of."""

LEEWAY: Final = {"python": 0.02, "builtin": 0.02, "system": 0.0}
"""What patch releases of Python and of the libraries below may add."""

WORDS: Final = {"python": "calls of Python functions", "builtin": "calls of builtins", "system": "system calls"}


def count(kind: Kind, contender: str = "ours") -> dict[str, int] | None:
    """Return what one plain GET of a contender costs; None when it has no such interface here."""
    return _child(contender, {"kind": kind})


def _child(contender: str, job: dict[str, Any], *, tracer: tuple[str, ...] = ()) -> Any:
    one = CONTENDERS[contender]
    if job["kind"] not in one.kinds:
        return None
    try:
        python = python_for(one.environment)
    except NoEnvironment:
        return None
    work = {"module": one.where, "options": one.options, "loop": one.loop, **job}
    try:
        child = run_module("bench.counting", json.dumps(work), python=python, below=tracer)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(child.stdout) if child.stdout.strip() else None


# The gate.


def complaints(kind: Kind) -> list[str]:
    """Return what one GET of ours costs more than is recorded for this Python; nothing when it is not more."""
    recorded, found = json.loads(RECORDED.read_text())[VERSION][kind], count(kind)
    if found is None:
        return [f"the {kind} client could not be measured"]
    return [
        f"a plain {kind} GET now makes {found[what]} {WORDS[what]}; {most} are recorded. Make it cheaper again, or, if "
        f"that is the price of something worth it, run `python -m bench.counters --record` on every supported Python"
        for what, most in recorded.items()
        if found[what] > most * (1 + LEEWAY[what])
    ]


def record() -> None:
    """Write down what a request costs on this Python."""
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    recorded[VERSION] = {kind: count(kind) for kind in KINDS}
    RECORDED.write_text(json.dumps(dict(sorted(recorded.items())), indent=2) + "\n")


# The comparison.


def measure(contenders: Iterable[str] = CONTENDERS) -> dict[str, Any]:
    """Return the counts of all contenders; system calls as the kernel sees them, where strace is installed."""
    found: dict[str, dict[str, Any]] = {}
    with server() as far_side:
        for kind in KINDS:
            found[kind] = {}
            for name in contenders:
                counted = count(kind, name)
                if counted is not None:
                    traced = system_calls(kind, name, far_side.url(CASES["sync1"]))
                    found[kind][name] = {**counted, "traced": traced}
    return {"machine": machine(), "per_request": found}


def system_calls(kind: Kind, contender: str, url: str) -> float | None:
    """Return the system calls per request that strace sees in all threads; None where it may not look."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        _child(contender, {"kind": kind, "url": url, "marked": TRACED}, tracer=(strace, "-f", "-qq", "-o", str(log)))
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    marks = [place for place, line in enumerate(lines) if BEGIN in line or END in line]
    if len(marks) != 2:
        return None
    between = lines[marks[0] + 1 : marks[1]]
    return sum("resumed>" not in line and "(" in line for line in between) / TRACED


def notes(found: dict[str, Any]) -> list[str]:
    """Return who could not be counted."""
    missing = {
        name: [kind for kind in KINDS if kind in one.kinds and name not in found["per_request"][kind]]
        for name, one in CONTENDERS.items()
    }
    return [f"{CONTENDERS[name].title} was not counted: {', '.join(kinds)}" for name, kinds in missing.items() if kinds]


def tables(found: dict[str, Any]) -> list[Table]:
    header = ("", "Python functions", "builtins", "system calls")
    return [
        Table(
            f"Calls per request, {kind}",
            header,
            [(CONTENDERS[name].title, *_cells(one)) for name, one in sorted(rows.items(), key=_by_functions)],
            f"counters-{kind}",
        )
        for kind, rows in found["per_request"].items()
    ]


def _by_functions(item: tuple[str, dict[str, Any]]) -> int:
    return item[1]["python"]


def _cells(one: dict[str, Any]) -> tuple[str, str, str]:
    return number(one["python"]), number(one["builtin"]), number(one["traced"], 1)


if __name__ == "__main__":
    if "--record" in sys.argv[1:]:
        record()
    else:
        print(*(table.text() for table in tables(measure())), sep="\n")
