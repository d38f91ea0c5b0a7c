"""niquests as it comes; HTTP/1.1, as for everybody else."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager

import niquests

from bench.cases import Target


def settings(target: Target) -> dict[str, object]:
    return {"pool_maxsize": target.at_once, "disable_http2": True, "disable_http3": True}


@contextmanager
def blocking(target: Target):
    with niquests.Session(**settings(target)) as session:
        url, verify = target.addresses().__next__, target.roots or True
        yield lambda: session.get(url(), timeout=60, verify=verify).content


@asynccontextmanager
async def asynchronous(target: Target):
    async with niquests.AsyncSession(**settings(target)) as session:
        url, verify = target.addresses().__next__, target.roots or True

        async def get() -> bytes:
            return (await session.get(url(), timeout=60, verify=verify)).content

        yield get
