"""aiohttp with the retrying client of aiohttp-retry."""

from __future__ import annotations

from contextlib import asynccontextmanager

from aiohttp_retry import ExponentialRetry, RetryClient

from bench.cases import Target
from bench.contenders.bare_aiohttp import session


@asynccontextmanager
async def asynchronous(target: Target):
    url = target.addresses().__next__
    async with RetryClient(client_session=session(target), retry_options=ExponentialRetry(attempts=3)) as client:

        async def get() -> bytes:
            async with client.get(url()) as response:
                return await response.read()

        yield get
