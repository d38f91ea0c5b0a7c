"""The three ways of calling: `Client` from threads, `AsyncClient` from tasks, httpx in a retry loop from threads."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final

import httpx
import tenacity

from resilient_client.async_client import AsyncClient
from resilient_client.cli.demo import policies
from resilient_client.cli.demo.ledger import Ledger
from resilient_client.cli.demo.pace import Pace, drive_task, drive_thread
from resilient_client.cli.demo.scenario import PATH
from resilient_client.client import Client
from resilient_client.policy import Policy
from resilient_client.result import Failure, FailureKind, Result
from resilient_client.state import ClientState
from resilient_client.testing import FaultServer

REJECTED: Final = frozenset((FailureKind.CIRCUIT_OPEN, FailureKind.BULKHEAD_FULL))
"""Attempts that ended here, before anything was sent."""

JOINED: Final = 1.0
"""Seconds that workers are waited for once their server is gone."""

Got = tuple[str | None, int]
"""What a caller got: the kind of failure if it was one, and how many requests were sent for it."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for all."""

    policy: Policy
    pace: Pace
    seed: int


class Contender(ABC):
    """One way of calling, with a server of its own so that its journal tells who caused which load."""

    name: str

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.ledger = Ledger()
        self.ended = threading.Event()
        self.server = FaultServer(strict=False)
        self.server.start()
        self._threads: list[threading.Thread] = []

    @abstractmethod
    def start(self) -> None:
        """Let the workers begin."""

    def close(self) -> None:
        """Stop the server, which ends what still waits for it, and the client."""
        self.ended.set()
        self.server.stop()
        until = time.monotonic() + JOINED
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._close_client()

    @abstractmethod
    def _close_client(self) -> None:
        """Close the client; nobody uses it any more."""

    def state(self) -> ClientState | None:
        """Return what operators see, when this way of calling has something to show."""
        return None

    def _spawn(self, run: Any, *arguments: Any) -> None:
        # A daemon: no call that hangs may keep the command from ending.
        thread = threading.Thread(target=run, args=arguments, name=self.name, daemon=True)
        self._threads.append(thread)
        thread.start()


class Threads(Contender):
    """Workers are threads."""

    def start(self) -> None:
        """Start a thread for each worker."""
        for worker in range(self.setup.pace.workers):
            self._spawn(drive_thread, self.setup.pace, worker, self.call, self.ledger, self.ended)

    @abstractmethod
    def call(self) -> Got:
        """Make one call."""


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


class Loop(Threads):
    """The usual way: an HTTP client in a retry loop, from threads, with the same attempts and timeouts."""

    name = "httpx+tenacity"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._client = httpx.Client(
            base_url=self.server.url,
            timeout=httpx.Timeout(policies.ATTEMPT, connect=policies.CONNECT),
            trust_env=False,
        )
        self._retrying = tenacity.Retrying(
            # The event only matters when the demo is broken off.
            stop=tenacity.stop_after_attempt(policies.MAX_ATTEMPTS) | tenacity.stop_when_event_set(self.ended),
            wait=tenacity.wait_random_exponential(policies.WAIT_INITIAL, max=policies.WAIT_MAX),
            retry=tenacity.retry_if_exception_type(httpx.HTTPError),
            reraise=True,
        )

    def call(self) -> Got:
        """Make one call."""
        sent = 0

        def fetch() -> None:
            nonlocal sent
            sent += 1
            self._client.get(PATH).raise_for_status()

        try:
            self._retrying(fetch)
        except httpx.HTTPStatusError as error:
            return f"HTTP {error.response.status_code}", sent
        except Exception as error:  # noqa: BLE001 - whatever it raises is what its callers get
            return type(error).__name__, sent
        return None, sent

    def _close_client(self) -> None:
        self._client.close()


def got(result: Result[Any]) -> Got:
    """Return what the caller of `result` got."""
    sent = sum(attempt.kind not in REJECTED for attempt in result.attempts)
    return (str(result.kind) if isinstance(result, Failure) else None), sent


CONTENDERS: Final[tuple[type[Contender], ...]] = (Blocking, Asynchronous, Loop)
