"""httpx as it comes."""

from __future__ import annotations

import httpx

from bench.cases import Target
from bench.contenders import httpx_family


def blocking(target: Target):
    return httpx_family.blocking(httpx, target)


def asynchronous(target: Target):
    return httpx_family.asynchronous(httpx, target)
