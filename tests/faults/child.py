"""Rows in a process of their own: `python -m faults.child WAY` runs those of a way, and prints what came of each.

One line of JSON per row: its name, what was observed by method, and the problems. A row that ends the process leaves no
line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import worlds
from faults.expected import Observed
from faults.fault import Fault
from faults.matrix import rows
from faults.run import come_to
from faults.ways import OTHER_WIRES, WIRES, Way

TESTS: Final = Path(worlds.__file__).parent
PATIENCE: Final = 110.0
"""Seconds until a process that does not end is given up."""

Came = tuple[dict[str, Observed], list[str]]


def apart(fault: Fault, way: Way) -> bool:
    """Whether the row is played in a process of its own on `way`: in virtual time nothing waits."""
    return fault.apart and not way.virtual


def rows_of(way: Way) -> list[Fault]:
    """The rows that are played in a process of their own on `way`."""
    return [fault for fault in rows() if apart(fault, way) and way.meets(fault)]


class Child:
    """The process of a way. It writes to files: nobody may be there to read when it has something to say."""

    def __init__(self, way_name: str) -> None:
        self._told, self._said = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
        command = [sys.executable, "-m", "faults.child", way_name]
        environment = {**os.environ, "PYTHONPATH": path}
        self._process = subprocess.Popen(command, env=environment, stdout=self._told, stderr=self._said)
        self._everything: dict[str, Any] = {}

    def everything(self) -> dict[str, Any]:
        """What it told, by row, once it has ended; and, under an empty name, the end of what it said on the way."""
        if not self._everything:
            try:
                self._process.wait(PATIENCE)
            finally:
                self.end()
            self._told.seek(0)
            self._said.seek(0)
            told = [json.loads(line) for line in self._told]
            self._everything = {name: came for name, *came in told} | {"": self._said.read()[-2000:]}
        return self._everything

    def end(self) -> None:
        """End it, if it has not ended by itself."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@cache
def started(way_name: str) -> Child:
    """The process of a way, which runs from when it is first asked for."""
    return Child(way_name)


def in_own_process(fault: Fault, way: Way) -> Came:
    """What came of a row, run with the others of its way."""
    everything = started(way.name).everything()
    if fault.name not in everything:
        return {}, [f"the process ended before or in it: {everything['']}"]
    observed, problems = everything[fault.name]
    return {method: Observed(**one) for method, one in observed.items()}, problems


def met(fault: Fault, way: Way) -> Came:
    """What came of a row on a way, in this process or in one of its own."""
    return in_own_process(fault, way) if apart(fault, way) else come_to(fault, way)


def main() -> None:
    (way,) = (way for way in WIRES + OTHER_WIRES if way.name == sys.argv[1])
    for fault in rows_of(way):
        observed, problems = come_to(fault, way)
        told = {method: one.as_dict() for method, one in observed.items()}
        sys.stdout.write(json.dumps([fault.name, told, problems]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
