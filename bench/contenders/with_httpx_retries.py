"""httpx with the retrying transport of httpx-retries."""

from __future__ import annotations

import httpx
from httpx_retries import Retry, RetryTransport

from bench.cases import Target
from bench.contenders import httpx_family


def transport(kind: type, target: Target) -> RetryTransport:
    options = httpx_family.settings(httpx, target)
    del options["timeout"]
    return RetryTransport(transport=kind(**options), retry=Retry(total=2, backoff_factor=0.1))


def blocking(target: Target):
    return httpx_family.blocking(httpx, target, transport=transport(httpx.HTTPTransport, target))


def asynchronous(target: Target):
    return httpx_family.asynchronous(httpx, target, transport=transport(httpx.AsyncHTTPTransport, target))
