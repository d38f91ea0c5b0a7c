"""httpx's auth flows: from what `auth=` was given, and driven in one way, blocking and asynchronous, over any wire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import httpx

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import Bytes, BytesBody
from resilient_client.wire.classify import of_foreign
from resilient_client.wire.coding import discard_body, read_raw
from resilient_client.wire.request_stream import RequestStream
from resilient_client.wire.urls import httpx_url, parse_url

if TYPE_CHECKING:
    from resilient_client.exchange import Answer, Hops, Limits, WireRequest

AUTH_BODY_CAP: Final = 1024 * 1024
"""Bytes of an answer that an auth flow may ask to see."""


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


def flow_of(auth: Any, request: httpx.Request, *, asynchronous: bool) -> Flow:
    """Return the flow of `auth` that begins with `request`."""
    return AsyncioFlow(auth.async_auth_flow(request)) if asynchronous else BlockingFlow(auth.sync_auth_flow(request))


class AuthenticatingWire(ABC):
    """A wire that sends one request at a time; here those of an auth flow become one."""

    asynchronous: ClassVar[bool]

    async def send(self, request: WireRequest, limits: Limits, *, fresh: bool, hops: Hops) -> Answer:
        """Send `request`, through its auth flow when it has one; raises `WireError`."""
        if request.auth is None:
            return await self._exchange(request, limits, fresh=fresh)
        exchange = partial(self._exchange, limits=limits, fresh=fresh)
        return await authenticated(exchange, request, hops, asynchronous=self.asynchronous)

    @abstractmethod
    async def _exchange(self, request: WireRequest, limits: Limits, *, fresh: bool) -> Answer:
        """Send `request` as it is, and return the start of its answer; raises `WireError`."""


async def authenticated(
    exchange: Callable[[WireRequest], Awaitable[Answer]], request: WireRequest, hops: Hops, *, asynchronous: bool
) -> Answer:
    """Return the answer that the auth flow of `request` ends with; raises `WireError`, as `exchange` does.

    Flows speak of httpx's requests and responses; `exchange`, which sends each of the flow's requests, does not.
    """
    shown = httpx.Request(
        request.method, httpx_url(request.url), headers=request.headers, stream=RequestStream(request.body)
    )
    flow = flow_of(request.auth, shown, asynchronous=asynchronous)
    answer: Answer | None = None
    try:
        following = await flow.start()
        while True:
            answer = await _hop(exchange, _as_sent(following, request, hops), first=answer is None)
            whole = request.auth.requires_response_body and answer.switched is None
            after = await flow.after(await _shown(answer, following, whole=whole))
            if after is None or not _can_be_sent(after):
                return answer
            await discard_body(answer)
            hops.answered(answer)
            following = after
    except BaseException as problem:
        if answer is not None:
            answer.body.abort()
        if isinstance(problem, FlowFailed):
            raise WireError(FailureKind.LOCAL, str(problem), sent=answer is not None) from problem.__cause__
        if isinstance(problem, WireError) or not isinstance(problem, Exception):
            raise
        raise of_foreign(problem, in_body=False) from problem
    finally:
        await flow.close()


def _as_sent(following: httpx.Request, request: WireRequest, hops: Hops) -> WireRequest:
    """Return a request of the flow as the wire sends it; limits and upgrade are those of the call for all of them."""
    url = parse_url(str(following.url))
    for name, value in hops.begins(following.method, url):
        following.headers[name.decode("ascii")] = value.decode("latin-1")
    stream = following.stream
    body = stream.body if isinstance(stream, RequestStream) else Bytes(following.read())
    headers = list(following.headers.raw)
    return replace(request, method=following.method, url=url, headers=headers, body=body, auth=None)


def _can_be_sent(request: httpx.Request) -> bool:
    """Return whether the body is still there: an iterator that was read for an earlier hop is not."""
    return not isinstance(request.stream, RequestStream) or request.stream.body.replayable


async def _hop(exchange: Callable[[WireRequest], Awaitable[Answer]], request: WireRequest, *, first: bool) -> Answer:
    try:
        return await exchange(request)
    except WireError as error:
        if not first:  # an earlier request of the flow was sent, and was answered
            error.sent, error.stale = True, False
        raise


async def _shown(answer: Answer, request: httpx.Request, *, whole: bool) -> httpx.Response:
    """Return `answer` as the flow sees it; its body only when the flow wants to look."""
    content = b""
    if whole:
        content = await read_raw(answer, AUTH_BODY_CAP)
        answer.body = BytesBody(content)
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.pairs]
    return httpx.Response(answer.status, headers=headers, content=content, request=request)
