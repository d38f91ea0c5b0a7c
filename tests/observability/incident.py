"""An incident in a process of its own: two clients, two failing servers, and metrics for Prometheus to scrape.

`python incident.py SECONDS` prints one JSON document a line: where its metrics are, then each phase as it begins. It
waits for a line on stdin before the first phase, and for the end of stdin after the last one. SECONDS is how long a
phase lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import start_http_server

from resilient_client import AsyncClient, Breaker, Bulkhead, Client, Policy, Retry, RetryBudget, Timeouts
from resilient_client.testing import FaultServer, steps

POLICY = Policy(
    timeouts=Timeouts(attempt=0.25, total=0.4),
    retry=Retry(wait_initial=0.02, wait_max=0.05, budget=RetryBudget(burst=5, window=2)),
    breaker=Breaker(min_calls=40, failure_ratio=0.6, window=2, open_for=0.5, open_max=0.6),
    bulkhead=Bulkhead(max_concurrent=8, max_waiting=1, max_wait=0.1),
)

REGULARS = 6
CROWD = 6
"""Callers who come only when it gets slow: all together are more than there is room for."""
PAUSE = 0.03


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


class Scene:
    """Servers that fail on demand, and callers that go on calling."""

    def __init__(self, payments: FaultServer, search: FaultServer) -> None:
        self._servers = {"GET /charges/42": payments, "GET /query": search}
        self._payments = Client("payments", base_url=payments.url, policy=POLICY)
        # Another name of the same address, so that the servers can be told apart by it.
        self._search = AsyncClient("search", base_url=search.url.replace("127.0.0.1", "localhost"), policy=POLICY)
        self._over = threading.Event()
        self._crowded = threading.Event()
        self._threads = [threading.Thread(target=self._pay_on, args=[number]) for number in range(REGULARS + CROWD)]
        self._loop = threading.Thread(target=lambda: asyncio.run(self._call_search()))

    def answer(self, step) -> None:
        for route, server in self._servers.items():
            server.on(route, then=step)

    def _comes(self, number: int) -> bool:
        return number < REGULARS or self._crowded.is_set()

    def _pay_on(self, number: int) -> None:
        while not self._over.is_set():
            if self._comes(number):
                self._payments.get("/charges/42", route="/charges/{id}")
            time.sleep(PAUSE)

    async def _call_search(self) -> None:
        async with self._search:
            await asyncio.gather(*map(self._search_on, range(REGULARS + CROWD)), self._leave_early())
            await asyncio.to_thread(sys.stdin.read)

    async def _search_on(self, number: int) -> None:
        while not self._over.is_set():
            if self._comes(number):
                await self._search.get("/query")
            await asyncio.sleep(PAUSE)

    async def _leave_early(self) -> None:
        """Ask, and do not wait for the answer."""
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._search.get("/query"), 0.005)
            await asyncio.sleep(4 * PAUSE)

    # The phases.

    def healthy(self) -> None:
        self.answer(steps.ok(after=0.01))

    def errors(self) -> None:
        self.answer(steps.chance(0.4, steps.status(503), steps.ok(after=0.01), seed=1))

    def hanging(self) -> None:
        self.answer(steps.hang())
        self._crowded.set()

    def down(self) -> None:
        self._crowded.clear()
        for server in self._servers.values():
            server.down()
        self._search.breaker().isolate()

    def recovery(self) -> None:
        self.healthy()
        for server in self._servers.values():
            server.up()
        self._search.breaker().close()

    def play(self, seconds: float) -> None:
        self.healthy()
        for thread in (*self._threads, self._loop):
            thread.start()
        for phase in (self.healthy, self.errors, self.hanging, self.down, self.recovery):
            say(phase=phase.__name__, at=time.time())
            phase()
            time.sleep(seconds)
        self._over.set()
        for thread in self._threads:
            thread.join()
        say(phase="quiet", at=time.time())
        self._loop.join()
        self._payments.close()


def main(seconds: float) -> None:
    provider = MeterProvider([PrometheusMetricReader()], Resource({"service.name": "shop"}))
    metrics.set_meter_provider(provider)
    exported, _ = start_http_server(0, "127.0.0.1")
    say(port=exported.server_port)
    sys.stdin.readline()
    with FaultServer(strict=False) as payments, FaultServer(strict=False) as search:
        Scene(payments, search).play(seconds)
    exported.shutdown()


if __name__ == "__main__":
    main(float(sys.argv[1]))
