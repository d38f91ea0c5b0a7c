"""aiohttp as it comes."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager

import aiohttp

from bench.cases import Target


def session(target: Target) -> aiohttp.ClientSession:
    """Return a session with room for the load."""
    verify = ssl.create_default_context(cafile=target.roots) if target.roots else True
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=target.at_once, ssl=verify))


@asynccontextmanager
async def asynchronous(target: Target):
    url = target.addresses().__next__
    async with session(target) as client:

        async def get() -> bytes:
            async with client.get(url()) as response:
                return await response.read()

        yield get
