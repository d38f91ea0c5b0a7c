"""Runs the Python examples of README.md and docs as tests; an example left broken fails `make test`."""

from __future__ import annotations

import asyncio
from doctest import ELLIPSIS
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

from resilient_client import AsyncClient, Client
from resilient_client.testing import FaultServer


def know_the_pages(namespace: dict[str, Any]) -> None:
    """Let a page compare what it shows as text with what its examples say."""
    namespace["ROOT"] = Path(__file__).parent


def leave_nothing_open(namespace: dict[str, Any]) -> None:
    """Close what a page opened in plain sight and, for the reader's sake, did not wrap in `with`."""
    for thing in namespace.values():
        if isinstance(thing, Client):
            thing.close()
        elif isinstance(thing, AsyncClient):
            asyncio.run(thing.close())
    for thing in namespace.values():
        if isinstance(thing, FaultServer):
            thing.stop()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)],
    patterns=["README.md", "docs/*.md", "docs/**/*.md"],
    excludes=["docs/_build/**"],
    setup=know_the_pages,
    teardown=leave_nothing_open,
).pytest()
