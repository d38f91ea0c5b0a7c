"""`python -m bench`: every measurement; `python -m bench PART`: one of them. `--help` tells the options."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import time
import traceback
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from bench import goals
from bench.cases import CASES
from bench.contenders import CONTENDERS
from bench.limits import raise_limit

RESULTS: Final = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Part:
    """One measurement: a module with `measure()` and `tables()`, and what a quick run asks of it."""

    meaning: str
    quick: dict[str, Any] = field(default_factory=dict)


PARTS: Final = {
    "compare": Part(
        "requests of ours and of other clients",
        {"rounds": 1, "seconds": 0.25, "cases": ("sync1", "async1", "async10", "async100")},
    ),
    "counters": Part("function calls and system calls per request", {"contenders": ("floor", "ours", "httpx")}),
    "layers": Part("the policies around a wire that does nothing", {"rounds": 5}),
    "telemetry": Part("what telemetry costs"),
    "imports": Part("what importing costs", {"rounds": 5}),
    "memory": Part(
        "memory per call in flight", {"rounds": 1, "calls": (100, 1_000), "contenders": ("ours", "httpx", "aiohttp")}
    ),
    "scale": Part("cost against what a process has", {"rounds": 1, "seconds": 0.3, "most": 1000}),
    "policy_files": Part("what policy files cost"),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what calls cost.")
    told = "; ".join(f"{name}: {part.meaning}" for name, part in PARTS.items())
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of: {told}")
    parser.add_argument("--from", dest="since", metavar="PART", help="go on with this part and those after it")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and cases; a first look")
    parser.add_argument("--save", action="store_true", help="write bench/results/PART.json, which the docs are made of")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--case", metavar="A,B", help=f"of compare: {', '.join(CASES)}")
    parser.add_argument("--contenders", metavar="A,B", help=f"of compare: {', '.join(CONTENDERS)}")
    parser.add_argument("--rounds", type=int, help="rounds of each part that has rounds, however long they take")
    parser.add_argument("--seconds", type=float, help="length of a measured window")
    given = parser.parse_args()
    for wrong in {*given.parts, *([given.since] if given.since else [])} - PARTS.keys():
        parser.error(f"{wrong}: parts are {', '.join(PARTS)}")
    for option, known in (("case", CASES), ("contenders", CONTENDERS)):
        names = getattr(given, option)
        setattr(given, option, names.split(",") if names else [])
        for wrong in set(getattr(given, option)) - known.keys():
            parser.error(f"--{option} {wrong}: known are {', '.join(known)}")
    return given


def options_of(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Return what a part is asked for."""
    options = dict(PARTS[name].quick) if given.quick else {}
    if name == "compare":
        options |= {key: value for key, value in (("cases", given.case), ("contenders", given.contenders)) if value}
    if name in {"compare", "layers", "imports", "memory", "scale"} and given.rounds:
        options["rounds"] = given.rounds
    if name in {"compare", "memory", "scale"} and given.rounds:
        options["minutes"] = math.inf
    if name in {"compare", "scale"} and given.seconds:
        options["seconds"] = given.seconds
    return options


def main() -> int:
    given = arguments()
    raise_limit()
    names, found, failed = chosen(given), {}, []
    for name in names:
        started = time.monotonic()
        try:
            found[name] = run(name, given)
        except Exception:
            failed.append(name)
            traceback.print_exc()
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    if not given.json and (reached := goals.table(found, whole=False)).rows:
        print(reached.text())
    if failed:
        options = [option for option in sys.argv[1:] if option not in {*PARTS, "--from"}]
        again = shlex.join(["python", "-m", "bench", *options, *failed])
        print(f"{', '.join(failed)} failed; again: {again}", file=sys.stderr)
    return 1 if failed else 0


def chosen(given: argparse.Namespace) -> list[str]:
    """Return the parts to run, in their order."""
    names = list(PARTS)
    if given.since:
        return names[names.index(given.since) :]
    return [name for name in names if name in given.parts] or names


def run(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Measure a part; save and print what was found."""
    part: Any = import_module(f"bench.{name}")
    found: dict[str, Any] = part.measure(**options_of(name, given))
    if given.save:
        save(name, found)
    if given.json:
        print(json.dumps({name: found}), flush=True)
        return found
    print(*(table.text() for table in part.tables(found)), sep="\n", flush=True)
    for note in part.notes(found) if hasattr(part, "notes") else ():
        print(f"  {note.replace('*', '')}")
    return found


def save(name: str, found: dict[str, Any]) -> None:
    """Write a part's results as soon as they are there, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    unfinished = RESULTS / f".{name}.json"
    unfinished.write_text(json.dumps(found, indent=1) + "\n")
    unfinished.replace(RESULTS / f"{name}.json")


if __name__ == "__main__":
    sys.exit(main())
