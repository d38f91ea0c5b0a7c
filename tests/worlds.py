"""The worlds a scenario runs in: in memory and over real sockets, blocking and asynchronous, from one text."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from resilient_client import AsyncClient, CallFailed, Client, Failure, Result
from resilient_client.backends import run_sync
from resilient_client.testing import FaultServer, VirtualWorld


@dataclass
class Streamed:
    """What came of a stream: its result, the items that were read, and the failure that ended them."""

    result: Any
    items: list[Any] = field(default_factory=list)
    failure: Failure | None = None


def _streamed(block: Any, how: str, upto: int | None) -> Streamed:
    with block as result:
        streamed = Streamed(result)
        if not result or upto == 0:
            return streamed
        try:
            for item in getattr(result, how)():
                streamed.items.append(item)
                if len(streamed.items) == upto:
                    break
        except CallFailed as problem:
            streamed.failure = problem.failure
    return streamed


async def _streamed_async(block: Any, how: str, upto: int | None) -> Streamed:
    async with block as result:
        streamed = Streamed(result)
        if not result or upto == 0:
            return streamed
        try:
            async for item in getattr(result, how)():
                streamed.items.append(item)
                if len(streamed.items) == upto:
                    break
        except CallFailed as problem:
            streamed.failure = problem.failure
    return streamed


class Awaited:
    """A blocking WebSocket, used as an asynchronous one is."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.socket, name)
        if not callable(value):
            return value

        async def call(*args: Any, **options: Any) -> Any:
            return value(*args, **options)

        return call

    async def __aiter__(self) -> Any:
        for message in self.socket:
            yield message


async def _used(block: Any, use: Any) -> Any:
    async with block as result:
        return await use(result) if result else result


def _used_blocking(block: Any, use: Any) -> Any:
    with block as result:
        return run_sync(use(Awaited(result))) if result else result


class Caller:
    """A client of some world, called the same way in all of them."""

    def __init__(self, world: Any, client: Any) -> None:
        self.world = world
        self.client = client
        self.kernels = client.kernels
        self.state = client.state
        self.breaker = client.breaker

    def request(self, method: str, url: str, **options: Any) -> Result[Any]:
        return self.world.finish(self.client.request(method, url, **options))

    def get(self, url: str, **options: Any) -> Result[Any]:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> Result[Any]:
        return self.request("POST", url, **options)

    def stream(
        self, url: str, how: str = "iter_bytes", *, upto: int | None = None, method: str = "GET", **options: Any
    ) -> Streamed:
        """Open a stream and read what `result.<how>()` gives, to the end or `upto` so many items; then leave it."""
        if isinstance(self.client, AsyncClient):
            return self.world.finish(_streamed_async(self.client.stream(method, url, **options), how, upto))
        return _streamed(self.client.stream(method, url, **options), how, upto)

    def download(self, url: str, path: Any, **options: Any) -> Result[Any]:
        return self.world.finish(self.client.download(url, path, **options))

    def socket(self, url: str, use: Any, **options: Any) -> Any:
        """Open a WebSocket and return what `await use(socket)` gives inside its block, or the `Failure`."""
        if isinstance(self.client, AsyncClient):
            return self.world.finish(_used(self.client.websocket(url, **options), use))
        return _used_blocking(self.client.websocket(url, **options), use)

    def many(self, count: int, url: str, **options: Any) -> list[Result[Any]]:
        """Make `count` calls at once."""
        return self.world.together([lambda: self.client.request("GET", url, **options)] * count)


class InMemory:
    virtual = True

    def __init__(self) -> None:
        self.inner = VirtualWorld()
        self.journal = self.inner.journal
        self.on = self.inner.on
        self.url = self.inner.url
        self.down, self.up, self.close_idle = self.inner.down, self.inner.up, self.inner.close_idle

    def client(self, **options: Any) -> Caller:
        return Caller(self, self._make(**options))

    def pass_time(self, seconds: float) -> None:
        self.inner.advance(seconds)

    def now(self) -> float:
        return self.inner.now

    def close(self) -> None:
        assert self.inner.script.unexpected == []


class InMemoryBlocking(InMemory):
    name = "virtual-blocking"

    def _make(self, **options: Any) -> Client:
        return self.inner.client(**options)

    def finish(self, result: Result[Any]) -> Result[Any]:
        return result

    def together(self, calls: list[Any]) -> list[Result[Any]]:
        async def one(call: Any) -> Result[Any]:
            return call()

        return self.inner.run(self.inner.gather(*map(one, calls)))


class InMemoryAsync(InMemory):
    name = "virtual-async"

    def _make(self, **options: Any) -> AsyncClient:
        return self.inner.async_client(**options)

    def finish(self, call: Any) -> Result[Any]:
        return self.inner.run(call)

    def together(self, calls: list[Any]) -> list[Result[Any]]:
        return self.inner.run(self.inner.gather(*(call() for call in calls)))


class OnTheWire:
    virtual = False

    def __init__(self) -> None:
        self.server = FaultServer()
        self.server.__enter__()
        self.journal = self.server.journal
        self.on = self.server.on
        self.url = self.server.url
        self.down, self.up, self.close_idle = self.server.down, self.server.up, self.server.close_idle
        self.clients: list[Any] = []

    def client(self, **options: Any) -> Caller:
        client = self._make("far-side", **{"base_url": self.url, **options})
        self.clients.append(client)
        return Caller(self, client)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> float:
        return time.monotonic()


class WireBlocking(OnTheWire):
    name = "wire-blocking"
    _make = Client

    def finish(self, result: Result[Any]) -> Result[Any]:
        return result

    def together(self, calls: list[Any]) -> list[Result[Any]]:
        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(lambda call: call(), calls))

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.__exit__(None, None, None)


class WireAsync(OnTheWire):
    name = "wire-async"
    _make = AsyncClient

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def finish(self, call: Any) -> Result[Any]:
        return self.runner.run(call)

    def together(self, calls: list[Any]) -> list[Result[Any]]:
        async def all_of_them() -> list[Result[Any]]:
            return await asyncio.gather(*(call() for call in calls))

        return self.runner.run(all_of_them())

    def close(self) -> None:
        for client in self.clients:
            self.runner.run(client.close())
        self.runner.close()
        self.server.__exit__(None, None, None)


VIRTUAL = (InMemoryBlocking, InMemoryAsync)
WIRE = (WireBlocking, WireAsync)
EVERY = VIRTUAL + WIRE
