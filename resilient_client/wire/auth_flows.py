"""httpx's auth flows, blocking and asynchronous, driven in one way."""

from __future__ import annotations

from typing import Any, Protocol

import httpx


class Flow(Protocol):
    """An auth flow: the first request, then what follows each answer."""

    async def start(self) -> httpx.Request:
        """Return the first request to send."""
        ...

    async def after(self, response: Any) -> httpx.Request | None:
        """Return the request that follows `response`, None when that was the answer."""
        ...

    async def close(self) -> None:
        """End the flow wherever it stands."""
        ...


class BlockingFlow:
    """An auth flow that is a generator."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    async def start(self) -> httpx.Request:
        """Return the first request."""
        request: httpx.Request = next(self._generator)
        return request

    async def after(self, response: Any) -> httpx.Request | None:
        """Return the next request, if any."""
        try:
            request: httpx.Request = self._generator.send(response)
        except StopIteration:
            return None
        return request

    async def close(self) -> None:
        """End the generator."""
        self._generator.close()


class AsyncioFlow:
    """An auth flow that is an asynchronous generator."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    async def start(self) -> httpx.Request:
        """Return the first request."""
        request: httpx.Request = await anext(self._generator)
        return request

    async def after(self, response: Any) -> httpx.Request | None:
        """Return the next request, if any."""
        try:
            request: httpx.Request = await self._generator.asend(response)
        except StopAsyncIteration:
            return None
        return request

    async def close(self) -> None:
        """End the generator."""
        await self._generator.aclose()
