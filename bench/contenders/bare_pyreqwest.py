"""pyreqwest as it comes: the Rust client reqwest, on threads of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pyreqwest.client import ClientBuilder, SyncClientBuilder

from bench.cases import Target


def built(builder: Any, target: Target) -> Any:
    builder = builder.timeout(timedelta(seconds=60))
    if target.roots:
        builder = builder.add_root_certificate_pem(Path(target.roots).read_bytes())
    return builder.build()


@contextmanager
def blocking(target: Target):
    url = target.addresses().__next__
    with built(SyncClientBuilder(), target) as client:
        yield lambda: client.get(url()).build().send().bytes()


@asynccontextmanager
async def asynchronous(target: Target):
    url = target.addresses().__next__
    async with built(ClientBuilder(), target) as client:

        async def get() -> Any:
            response = await client.get(url()).build().send()
            return await response.bytes()

        yield get
