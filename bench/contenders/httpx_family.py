"""What httpx and the packages of its family have in common; each file next to this one says which and what is added."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from bench.cases import Target


def settings(family: Any, target: Target) -> dict[str, Any]:
    """Return the arguments of either client: room for the load, and time."""
    return {
        "limits": family.Limits(max_connections=target.at_once, max_keepalive_connections=target.at_once),
        "timeout": 60,
        "verify": ssl.create_default_context(cafile=target.roots) if target.roots else True,
    }


@contextmanager
def blocking(family: Any, target: Target, **options: Any):
    path = target.paths().__next__
    with family.Client(base_url=target.url, **settings(family, target), **options) as client:
        yield lambda: client.get(path()).content


@asynccontextmanager
async def asynchronous(family: Any, target: Target, **options: Any):
    path = target.paths().__next__
    async with family.AsyncClient(base_url=target.url, **settings(family, target), **options) as client:

        async def get() -> bytes:
            return (await client.get(path())).content

        yield get
