"""Calling with this package: `Client` from threads, `AsyncClient` from tasks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from resilient_client.async_client import AsyncClient
from resilient_client.cli.demo.contender import Contender, Setup, Threads
from resilient_client.cli.demo.pace import Got, drive_task
from resilient_client.cli.demo.scenario import PATH
from resilient_client.client import Client
from resilient_client.result import Failure, FailureKind, Result
from resilient_client.state import ClientState

REJECTED: Final = frozenset((FailureKind.CIRCUIT_OPEN, FailureKind.BULKHEAD_FULL))
"""Attempts that ended here, before anything was sent."""


class Blocking(Threads):
    """Our client, from threads."""

    name = "Client"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._client = Client("orders", base_url=self.server.url, policy=setup.policy)

    def call(self) -> Got:
        """Make one call."""
        return got(self._client.get(PATH))

    def _close_client(self) -> None:
        self._client.close()

    def state(self) -> ClientState:
        """Return the client's state."""
        return self._client.state()


class Asynchronous(Contender):
    """Our asynchronous client, from tasks of one event loop in a thread."""

    name = "AsyncClient"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._client = AsyncClient("orders", base_url=self.server.url, policy=setup.policy)

    def start(self) -> None:
        """Start the event loop and a task for each worker."""
        self._spawn(lambda: asyncio.run(self._work()))

    async def _work(self) -> None:
        pace = self.setup.pace
        async with self._client:
            workers = (drive_task(pace, n, self.call, self.ledger, self.ended) for n in range(pace.workers))
            await asyncio.gather(*workers)

    async def call(self) -> Got:
        """Make one call."""
        return got(await self._client.get(PATH))

    def _close_client(self) -> None:
        """Its own event loop has closed it."""

    def state(self) -> ClientState:
        """Return the client's state."""
        return self._client.state()


def got(result: Result[Any]) -> Got:
    """Return what the caller of `result` got."""
    sent = sum(attempt.kind not in REJECTED for attempt in result.attempts)
    return (str(result.kind) if isinstance(result, Failure) else None), sent
