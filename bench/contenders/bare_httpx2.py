"""httpx2 as it comes."""

from __future__ import annotations

import httpx2

from bench.cases import Target
from bench.contenders import httpx_family


def blocking(target: Target):
    return httpx_family.blocking(httpx2, target)


def asynchronous(target: Target):
    return httpx_family.asynchronous(httpx2, target)
