"""One contender's run in an interpreter of its own: `python -m bench.child '{...}'` prints a line of JSON per case.

Imports nothing but the standard library and the contender, so that it also runs where neither we nor the other
contenders are installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from typing import Any

from bench import load
from bench.cases import CASES, Case, Target
from bench.cores import CLIENT, on_core


def run(job: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return what was measured, or why it was not."""
    contender = import_module(f"bench.contenders.{job['module']}")
    make = getattr(contender, case.kind, None)
    if make is None:
        return {"absent": f"has no {case.kind} interface"}
    target = Target(job["urls"][case.name], case.size, case.at_once, job["roots"] if case.tls else None)
    if case.kind == "blocking":
        with make(target, **job["options"]) as get:
            return load.blocking(get, target, job["seconds"]).as_json()

    async def measured() -> dict[str, Any]:
        async with make(target, **job["options"]) as get:
            return (await load.asynchronous(get, target, job["seconds"])).as_json()

    with asyncio.Runner(loop_factory=loop_factory(job["loop"])) as runner:
        return runner.run(measured())


def loop_factory(name: str) -> Any:
    """Return what makes the event loop; asyncio's own unless another is named."""
    return import_module(name).new_event_loop if name else None


def main() -> None:
    job = json.loads(sys.argv[1])
    on_core(CLIENT)
    for name in job["cases"]:
        try:
            found = run(job, CASES[name])
        except load.DidNotFinish as problem:
            found = {"unfinished": str(problem)}
        except Exception as problem:
            found = {"absent": f"{type(problem).__name__}: {problem}"}
        print(json.dumps({"case": name, **found}), flush=True)
        if "unfinished" in found:
            break
    os._exit(0)  # callers that were given up may still be waiting


if __name__ == "__main__":
    main()
