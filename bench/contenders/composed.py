"""httpx with retries, a circuit breaker and a limit, put together by hand from tenacity, pybreaker and a semaphore.

`calling()` and not `call()`: the latter holds pybreaker's lock for as long as the request lasts.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pybreaker
import tenacity

from bench.cases import Target
from bench.contenders import httpx_family


def transient(problem: BaseException) -> bool:
    if isinstance(problem, httpx.HTTPStatusError):
        return problem.response.status_code in {429, 500, 502, 503, 504}
    return isinstance(problem, httpx.TransportError)


def retry() -> Any:
    return tenacity.retry(
        retry=tenacity.retry_if_exception(transient),
        stop=tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(30),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )


def breaker() -> pybreaker.CircuitBreaker:
    return pybreaker.CircuitBreaker(fail_max=5, reset_timeout=5, exclude=[lambda problem: not transient(problem)])


@contextmanager
def blocking(target: Target):
    path, circuit, permits = target.paths().__next__, breaker(), threading.BoundedSemaphore(max(100, target.at_once))
    with httpx.Client(base_url=target.url, **httpx_family.settings(httpx, target)) as client:

        @retry()
        def get() -> bytes:
            with permits, circuit.calling():
                return client.get(path()).raise_for_status().content

        yield get


@asynccontextmanager
async def asynchronous(target: Target):
    path, circuit, permits = target.paths().__next__, breaker(), asyncio.BoundedSemaphore(max(100, target.at_once))
    async with httpx.AsyncClient(base_url=target.url, **httpx_family.settings(httpx, target)) as client:

        @retry()
        async def attempts() -> bytes:
            async with permits:
                with circuit.calling():
                    return (await client.get(path())).raise_for_status().content

        async def get() -> bytes:
            async with asyncio.timeout(30):
                return await attempts()

        yield get
