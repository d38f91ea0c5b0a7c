"""What an import costs, alone and with a first client: CPU of fresh interpreters, over one that imports nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from statistics import median
from typing import Any, Final

from bench.machine import machine
from bench.processes import environment
from bench.report import Table, number

IMPORTS: Final = {
    "nothing": "pass",
    "peers": "import httpx, opentelemetry.trace",
    "used": "import httpx, httpcore, opentelemetry.trace",  # what httpx imports with its first client
    "ours": "import resilient_client",
    "both": "import httpx, httpcore, opentelemetry.trace, resilient_client",
    "their_client": "import httpx, opentelemetry.trace; httpx.Client()",
    "our_client": "import resilient_client; resilient_client.Client('orders')",
    "our_async_client": "import resilient_client; resilient_client.AsyncClient('orders')",
    "requests": "import requests",
    "aiohttp": "import aiohttp",
}


def measure(*, rounds: int = 21) -> dict[str, Any]:
    """Return milliseconds of CPU of each, one per round."""
    taken: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for number_of_round in range(rounds + 1):
        for name in random.sample(list(IMPORTS), len(IMPORTS)):
            milliseconds = cpu_of(IMPORTS[name])
            if number_of_round and milliseconds is not None:  # the first one may have to compile
                taken[name].append(milliseconds)
    found = {name: [round(value, 2) for value in values] for name, values in taken.items() if values}
    return {"machine": machine(), "settings": {"rounds": rounds}, "ms": found}


def cpu_of(code: str) -> float | None:
    """Return the milliseconds of CPU that an interpreter takes to run `code`; None when it could not."""
    process = subprocess.Popen([sys.executable, "-c", code], env=environment(), stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return None if status else (usage.ru_utime + usage.ru_stime) * 1e3


def over_peers(found: dict[str, Any]) -> float:
    """Return what ours costs over what `httpx` and `opentelemetry.trace` do; the interpreter itself is in neither."""
    ms = found["ms"]
    rounds = zip(ms["nothing"], ms["peers"], ms["ours"], strict=True)
    return median((ours - nothing) / (peers - nothing) for nothing, peers, ours in rounds)


def tables(found: dict[str, Any]) -> list[Table]:
    """Return the figures; what ours adds to what it stands on is in a row of its own."""
    ms = {name: median(values) for name, values in found["ms"].items()}
    measured = {f"`{code}`": ms[name] - ms["nothing"] for name, code in IMPORTS.items() if name in ms}
    del measured[f"`{IMPORTS['nothing']}`"]
    measured["what **resilient-client** adds to `httpx, httpcore, opentelemetry.trace`"] = ms["both"] - ms["used"]
    rows = [(name, number(value, 1)) for name, value in measured.items()]
    rows.append((f"`{IMPORTS['ours']}` / `{IMPORTS['peers']}`", number(over_peers(found), 2)))
    return [Table("Importing", ("", "CPU ms"), rows, "imports")]
