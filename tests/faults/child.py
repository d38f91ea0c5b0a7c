"""Rows in a process of their own: `python -m faults.child WAY` runs those of a way, and prints what came of each.

One line of JSON per row: its name, what was observed by method, and the problems. A row that ends the process leaves no
line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import worlds
from faults.expected import Observed
from faults.fault import Fault
from faults.matrix import rows
from faults.run import come_to
from faults.ways import OTHER_WIRES, WIRES, Way

TESTS = Path(worlds.__file__).parent

Came = tuple[dict[str, Observed], list[str]]


def rows_of(way: Way) -> list[Fault]:
    """The rows that need a process of their own on `way`."""
    return [fault for fault in rows() if fault.own_process and way.meets(fault)]


@cache
def _all_of(way_name: str) -> dict[str, Any]:
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    ran = subprocess.run(
        [sys.executable, "-m", "faults.child", way_name],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    return {name: came for name, *came in told} | {"": ran.stderr[-2000:]}


def in_own_process(fault: Fault, way: Way) -> Came:
    """What came of a row, run with the others of its way."""
    everything = _all_of(way.name)
    if fault.name not in everything:
        return {}, [f"the process ended before or in it: {everything['']}"]
    observed, problems = everything[fault.name]
    return {method: Observed(**one) for method, one in observed.items()}, problems


def met(fault: Fault, way: Way) -> Came:
    """What came of a row on a way, in this process or in one of its own."""
    return in_own_process(fault, way) if fault.own_process else come_to(fault, way)


def main() -> None:
    (way,) = (way for way in WIRES + OTHER_WIRES if way.name == sys.argv[1])
    for fault in rows_of(way):
        observed, problems = come_to(fault, way)
        told = {method: one.as_dict() for method, one in observed.items()}
        sys.stdout.write(json.dumps([fault.name, told, problems]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
