"""The client that makes the call: one of its own, or one of a policy file."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from resilient_client.async_client import AsyncClient
from resilient_client.base_client import BaseClient
from resilient_client.client import Client
from resilient_client.result import Result

C = TypeVar("C", bound=BaseClient)

NAME: Final = "command-line"


@dataclass(frozen=True, slots=True)
class Caller:
    """How to make the client, of either kind."""

    blocking: Callable[[], Client]
    asynchronous: Callable[[], AsyncClient]

    def use(self, call: Callable[[Any], Any], *, asynchronous: bool) -> Result[Any]:
        """Return what `call` makes of the client, which is one for tasks when that is asked for."""
        if asynchronous:
            return asyncio.run(self._use_async(call))
        with _made(self.blocking) as client:
            result: Result[Any] = call(client)
            return result

    async def _use_async(self, call: Callable[[Any], Any]) -> Result[Any]:
        async with _made(self.asynchronous) as client:
            result: Result[Any] = await call(client)
            return result


def _made(make: Callable[[], C]) -> C:
    """Make the client; what it warns of is said as one line."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = make()
    for warning in told:
        sys.stderr.write(f"warning: {warning.message}\n")
    return made


def of_its_own(options: Mapping[str, Any]) -> Caller:
    """Return what makes a client that exists for this call alone."""
    return Caller(partial(Client, NAME, **options), partial(AsyncClient, NAME, **options))


def of_file(file: Path, name: str, overrides: Mapping[str, Any]) -> Caller:
    """Return what makes a client of a policy file, with `overrides` above what the file says."""
    from resilient_client.cli.policy_file import read_sound  # noqa: PLC0415 - only a call with a file pays for it

    policies = read_sound(file, named="--policies")
    return Caller(partial(policies.client, name, **overrides), partial(policies.async_client, name, **overrides))
