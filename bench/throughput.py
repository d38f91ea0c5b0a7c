"""Requests per second and CPU per request against bare httpx, interleaved in one run."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import httpx

from bench.server import quick_server
from resilient_client import AsyncClient, Bulkhead, Client, Policy

POLICY = Policy(bulkhead=Bulkhead(max_concurrent=1000, max_waiting=10_000))


async def _load(get, at_once: int, count: int) -> None:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await get("/")

    await asyncio.gather(*(worker() for _ in range(at_once)))


async def _async_contenders(url: str, at_once: int, ours: int, theirs: int, rounds: int) -> dict[str, list[float]]:
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    rates: dict[str, list[float]] = {"ours": [], "httpx": [], "ours cpu": [], "httpx cpu": []}
    async with (
        AsyncClient("bench", base_url=url, policy=POLICY) as client,
        httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as bare,
    ):
        for _ in range(rounds + 1):
            for name, get, count in (("ours", client.get, ours), ("httpx", bare.get, theirs)):
                started, cpu = time.perf_counter(), time.process_time()
                await _load(get, at_once, count)
                rates[name].append(count / (time.perf_counter() - started))
                rates[f"{name} cpu"].append((time.process_time() - cpu) / count * 1e6)
    return {name: values[1:] for name, values in rates.items()}


def asynchronous(at_once: int, *, ours: int, theirs: int, rounds: int = 3) -> dict[str, float]:
    """Return medians for `at_once` concurrent calls."""
    with quick_server() as url:
        rates = asyncio.run(_async_contenders(url, at_once, ours, theirs, rounds))
    return _summary(rates)


def blocking(threads: int, *, count: int, rounds: int = 3) -> dict[str, float]:
    """Return medians for `threads` threads."""
    rates: dict[str, list[float]] = {"ours": [], "httpx": [], "ours cpu": [], "httpx cpu": []}
    with (
        quick_server() as url,
        Client("bench", base_url=url, policy=POLICY) as client,
        httpx.Client(base_url=url) as bare,
        ThreadPoolExecutor(threads) as pool,
    ):
        for _ in range(rounds + 1):
            for name, get in (("ours", client.get), ("httpx", bare.get)):
                started, cpu = time.perf_counter(), time.process_time()
                list(pool.map(lambda _, get=get: [get("/") for _ in range(count // threads)], range(threads)))
                rates[name].append(count / (time.perf_counter() - started))
                rates[f"{name} cpu"].append((time.process_time() - cpu) / count * 1e6)
    return _summary({name: values[1:] for name, values in rates.items()})


def _summary(rates: dict[str, list[float]]) -> dict[str, float]:
    values = {name: median(found) for name, found in rates.items()}
    values["requests per second, ratio"] = values["ours"] / values["httpx"]
    values["cpu, ratio"] = values["ours cpu"] / values["httpx cpu"]
    return values
