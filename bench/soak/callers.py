"""A client as its caller uses it, in the same words for threads and tasks: every kind of call is written once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class FromTasks:
    """An asynchronous client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.stream = client.stream
        self.request = client.request

    def pieces(self, iterator: Any) -> Any:
        return iterator


class FromThreads:
    """A blocking client behind coroutines that never suspend."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def request(self, *what: Any, **options: Any) -> Any:
        return self.client.request(*what, **options)

    @asynccontextmanager
    async def stream(self, *what: Any, **options: Any) -> AsyncIterator[Any]:
        with self.client.stream(*what, **options) as result:
            yield result

    async def pieces(self, iterator: Any) -> AsyncIterator[Any]:
        for piece in iterator:
            yield piece
