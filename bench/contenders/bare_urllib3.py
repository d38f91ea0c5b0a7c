"""urllib3 as it comes."""

from __future__ import annotations

from contextlib import contextmanager

import urllib3

from bench.cases import Target


@contextmanager
def blocking(target: Target):
    url = target.addresses().__next__
    with urllib3.PoolManager(maxsize=target.at_once, ca_certs=target.roots, timeout=60) as pool:
        yield lambda: pool.request("GET", url()).data
