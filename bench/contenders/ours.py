"""resilient-client, with every policy on and nothing but the OpenTelemetry API; the bulkhead lets the case through.

`wire=` names another wire than the default one. A client without it says so, and the contender is left out and named.
"""

from __future__ import annotations

import os
import ssl
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import opentelemetry.trace

from bench.cases import Target
from resilient_client import AsyncClient, Bulkhead, Client, Policy, Timeouts

assert opentelemetry.trace


def settings(target: Target, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of either client."""
    patient = Timeouts(connect=60, read=60, write=60, attempt=60, total=60)  # what the others are given as well
    policy = Policy(timeouts=patient, bulkhead=Bulkhead(max_concurrent=max(100, target.at_once)))
    verify = ssl.create_default_context(cafile=target.roots) if target.roots else True
    if target.roots and options.get("wire") == "pyreqwest":  # it knows the system's roots alone, or those
        os.environ["SSL_CERT_FILE"], verify = target.roots, True
    return {"base_url": target.url, "policy": policy, "verify": verify, **options}


@contextmanager
def blocking(target: Target, **options: Any):
    path = target.paths().__next__
    with Client("bench", **settings(target, options)) as client:
        yield lambda: client.get(path()).unwrap().content


@asynccontextmanager
async def asynchronous(target: Target, **options: Any):
    path = target.paths().__next__
    async with AsyncClient("bench", **settings(target, options)) as client:

        async def get() -> bytes:
            return (await client.get(path())).unwrap().content

        yield get
