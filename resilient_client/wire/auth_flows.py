"""httpx's auth flows: from what `auth=` was given, and driven in one way, blocking and asynchronous."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

import httpx


class FlowFailed(Exception):
    """The caller's own auth raised; its exception is the cause."""


def _blame(problem: Exception) -> Exception:
    """Return `problem` when it is about the server's answer, else what says that the flow itself failed."""
    if isinstance(problem, httpx.HTTPError):
        return problem
    return FlowFailed(f"auth= raised {type(problem).__name__}: {problem}")


def _checked(request: object) -> httpx.Request:
    if not isinstance(request, httpx.Request):
        raise FlowFailed(f"auth= gave {type(request).__name__} instead of a request")
    return request


class FunctionAuth(httpx.Auth):
    """An auth that is a function: it takes the request and returns the one to send."""

    def __init__(self, function: Callable[[httpx.Request], httpx.Request]) -> None:
        self._function = function

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send what the function returns."""
        yield self._function(request)


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
        try:
            return _checked(next(self._generator))
        except Exception as problem:
            raise _blame(problem) from problem

    async def after(self, response: Any) -> httpx.Request | None:
        """Return the next request, if any."""
        try:
            return _checked(self._generator.send(response))
        except StopIteration:
            return None
        except Exception as problem:
            raise _blame(problem) from problem

    async def close(self) -> None:
        """End the generator."""
        self._generator.close()


class AsyncioFlow:
    """An auth flow that is an asynchronous generator."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    async def start(self) -> httpx.Request:
        """Return the first request."""
        try:
            return _checked(await anext(self._generator))
        except Exception as problem:
            raise _blame(problem) from problem

    async def after(self, response: Any) -> httpx.Request | None:
        """Return the next request, if any."""
        try:
            return _checked(await self._generator.asend(response))
        except StopAsyncIteration:
            return None
        except Exception as problem:
            raise _blame(problem) from problem

    async def close(self) -> None:
        """End the generator."""
        await self._generator.aclose()
