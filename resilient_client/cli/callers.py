"""The client that makes the call: one of its own, or one of a policy file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from resilient_client.async_client import AsyncClient
from resilient_client.client import Client

NAME: Final = "command-line"


@dataclass(frozen=True, slots=True)
class Caller:
    """How to make the client, of either kind."""

    blocking: Callable[[], Client]
    asynchronous: Callable[[], AsyncClient]


def of_its_own(options: Mapping[str, Any]) -> Caller:
    """Return what makes a client that exists for this call alone."""
    return Caller(partial(Client, NAME, **options), partial(AsyncClient, NAME, **options))


def of_file(file: Path, name: str, overrides: Mapping[str, Any]) -> Caller:
    """Return what makes a client of a policy file, with `overrides` above what the file says."""
    from resilient_client.cli.policy_file import read_sound  # noqa: PLC0415 - only a call with a file pays for it

    policies = read_sound(file, named="--policies")
    return Caller(partial(policies.client, name, **overrides), partial(policies.async_client, name, **overrides))
