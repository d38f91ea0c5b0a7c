"""requests with urllib3's Retry in its adapter."""

from __future__ import annotations

from contextlib import contextmanager

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from bench.cases import Target


@contextmanager
def blocking(target: Target):
    retry = Retry(total=2, backoff_factor=0.1, status_forcelist=(429, 502, 503, 504))
    adapter = HTTPAdapter(max_retries=retry, pool_maxsize=target.at_once)
    with requests.Session() as session:
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        url, verify = target.addresses().__next__, target.roots or True
        yield lambda: session.get(url(), timeout=(2, 10), verify=verify).content
