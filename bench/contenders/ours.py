"""resilient-client, with every policy on and nothing but the OpenTelemetry API; the bulkhead lets the case through."""

from __future__ import annotations

import os
import ssl
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import opentelemetry.trace

from bench.cases import Target
from resilient_client import AsyncClient, Bulkhead, Client, Policy

assert opentelemetry.trace


def settings(target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of either client."""
    policy = Policy(bulkhead=Bulkhead(max_concurrent=max(100, target.at_once)))
    verify = ssl.create_default_context(cafile=target.roots) if target.roots else True
    if target.roots and options.get("wire") == "pyreqwest":  # it knows the system's roots alone, or those
        os.environ["SSL_CERT_FILE"], verify = target.roots, True
    return {"base_url": target.url, "policy": policy, "verify": verify, **options}


@contextmanager
def blocking(target: Target, **options: Any):
    with Client("bench", **settings(target, options)) as client:
        yield lambda: client.get("/").unwrap().content


@asynccontextmanager
async def asynchronous(target: Target, **options: Any):
    async with AsyncClient("bench", **settings(target, options)) as client:

        async def get() -> bytes:
            return (await client.get("/")).unwrap().content

        yield get
