"""One contender's run in an interpreter of its own: `python -m bench.child '{...}'` prints a line of JSON per case.

Imports nothing but the standard library and the contender, so that it also runs where neither we nor the other
contenders are installed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from importlib import import_module
from typing import Any, Final

from bench import load
from bench.cases import CASES, Case, Target
from bench.cores import CLIENT, on_core
from bench.limits import lacking, raise_limit

MARK: Final = '{"case": '
"""How a line begins that is for us; a contender may print what it likes."""


def longest(seconds: float) -> float:
    """Return how many seconds a case may take whose window is to last so many; then it hangs."""
    return 3 * load.PATIENCE + load.STRETCHED * seconds + 5


def run(job: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return what was measured, or why it was not."""
    contender = import_module(job["module"])
    make = getattr(contender, case.kind, None)
    if make is None:
        return {"absent": f"has no {case.kind} interface"}
    if problem := lacking(case.at_once):
        return {"absent": problem}
    target = Target(job["urls"][case.name], case.size, case.at_once, job["roots"] if case.tls else None, case.fresh)
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


def answer(name: str, found: dict[str, Any]) -> None:
    """Tell what was found; the line begins with `MARK`, since the case comes first."""
    print(json.dumps({"case": name, **found}), flush=True)


def hangs(name: str, seconds: float) -> None:
    """Tell that a case does not come to its end, and end with it: nothing else would."""
    answer(name, {"unfinished": f"did not end within {seconds:.0f} s"})
    os._exit(0)


def main() -> None:
    job = json.loads(sys.argv[1])
    on_core(CLIENT)
    raise_limit()
    for name in job["cases"]:
        watch = threading.Timer(job["limit"], hangs, (name, job["limit"]))
        watch.daemon = True
        watch.start()
        try:
            found = run(job, CASES[name])
        except load.DidNotFinish as problem:
            found = {"unfinished": str(problem)}
        except Exception as problem:
            found = {"absent": f"{type(problem).__name__}: {problem}"}
        watch.cancel()
        answer(name, found)
        if "unfinished" in found:
            break
    os._exit(0)  # callers that were given up may still be waiting


if __name__ == "__main__":
    main()
