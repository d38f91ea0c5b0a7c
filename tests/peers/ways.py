"""The two ways of calling, threads with `Client` and tasks with `AsyncClient`, used from one text."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from peers.load import Load

from resilient_client import AsyncClient, Client, Result


class Threads:
    """Calls of a `Client`."""

    name = "threads"
    at_once = 8

    def __init__(self) -> None:
        self._clients: list[Client] = []

    def client(self, base_url: str, **options: Any) -> Client:
        self._clients.append(Client("peer", base_url=base_url, **options))
        return self._clients[-1]

    def call(self, client: Client, method: str, url: str, **options: Any) -> Result[Any]:
        return client.request(method, url, **options)

    def together(self, client: Client, count: int, method: str, url: str, **options: Any) -> list[Result[Any]]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: client.request(method, url, **options), range(count)))

    def pull(self, client: Client, url: str) -> tuple[Result[Any], int]:
        """Read an answer as a stream, and count its bytes."""
        with client.stream("GET", url) as result:
            return result, sum(map(len, result.unwrap().iter_bytes()))

    def load(self, client: Client, method: str, url: str, **options: Any) -> Load:
        def work(load: Load) -> None:
            while not load.over:
                load.came_back(client.request(method, url, **load.options(options)))

        def run(load: Load) -> None:
            with ThreadPoolExecutor(self.at_once) as pool:
                for done in [pool.submit(work, load) for _ in range(self.at_once)]:
                    done.result()

        return Load(run)

    def close(self) -> None:
        for client in self._clients:
            client.close()


class Tasks:
    """Calls of an `AsyncClient`, on one event loop."""

    name = "tasks"
    at_once = 50

    def __init__(self) -> None:
        self._clients: list[AsyncClient] = []
        self._runner = asyncio.Runner()

    def client(self, base_url: str, **options: Any) -> AsyncClient:
        self._clients.append(AsyncClient("peer", base_url=base_url, **options))
        return self._clients[-1]

    def call(self, client: AsyncClient, method: str, url: str, **options: Any) -> Result[Any]:
        return self._runner.run(client.request(method, url, **options))

    def together(self, client: AsyncClient, count: int, method: str, url: str, **options: Any) -> list[Result[Any]]:
        async def all_of_them() -> list[Result[Any]]:
            return await asyncio.gather(*(client.request(method, url, **options) for _ in range(count)))

        return self._runner.run(all_of_them())

    def pull(self, client: AsyncClient, url: str) -> tuple[Result[Any], int]:
        async def read() -> tuple[Result[Any], int]:
            async with client.stream("GET", url) as result:
                return result, sum([len(piece) async for piece in result.unwrap().iter_bytes()])

        return self._runner.run(read())

    def load(self, client: AsyncClient, method: str, url: str, **options: Any) -> Load:
        async def work(load: Load) -> None:
            while not load.over:
                load.came_back(await client.request(method, url, **load.options(options)))

        async def all_of_them(load: Load) -> None:
            await asyncio.gather(*(work(load) for _ in range(self.at_once)))

        return Load(lambda load: self._runner.run(all_of_them(load)))

    def close(self) -> None:
        for client in self._clients:
            self._runner.run(client.close())
        self._runner.close()


WAYS = (Threads, Tasks)
