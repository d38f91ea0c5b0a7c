"""The asynchronous facade."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from resilient_client.backends import Backend
from resilient_client.base_client import BaseClient
from resilient_client.call_options import CallOptions
from resilient_client.gathering import Request
from resilient_client.result import Failure, Result, T

if TYPE_CHECKING:
    from resilient_client.socket_options import SocketOptions
    from resilient_client.streams import AsyncStream
    from resilient_client.transfers.downloaded import Downloaded
    from resilient_client.transfers.wanted import Progress
    from resilient_client.websocket import AsyncWebSocket


class AsyncClient(BaseClient):
    """A client for tasks: every verb is awaited and gives a `Result`.

    Make one per downstream service and keep it; tasks may share it, a second event loop gets connections of its own.
    `async with` it or `await close()` it. The options are those of `BaseClient`.
    """

    _asynchronous = True

    @staticmethod
    def _new_backend() -> Backend:
        from resilient_client.backends.asynchronous import AsyncioBackend

        return AsyncioBackend()

    async def request(
        self, method: str, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]
    ) -> Result[T]:
        """Make one call and await its result; `CallOptions` are the options of every verb.

        `decode` is the type of `success.value`; a body that does not fit is a `Failure`. Raises `TypeError`,
        `ValueError` or `ConfigError` for a wrong argument before anything is sent, and `ClientClosed`; whatever the
        network or a policy does is a `Failure`.
        """
        call, pipeline = self._call(method, url, decode, options)
        return await pipeline(call)

    async def get(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a GET; retried when it fails in a transient way."""
        return await self.request("GET", url, decode=decode, **options)

    async def head(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a HEAD; retried when it fails in a transient way."""
        return await self.request("HEAD", url, decode=decode, **options)

    async def options(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send an OPTIONS; retried when it fails in a transient way."""
        return await self.request("OPTIONS", url, decode=decode, **options)

    async def post(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a POST; retried after it may have been seen only with an `idempotency_key`."""
        return await self.request("POST", url, decode=decode, **options)

    async def put(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a PUT; retried when it fails in a transient way."""
        return await self.request("PUT", url, decode=decode, **options)

    async def patch(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a PATCH; retried after it may have been seen only with an `idempotency_key`."""
        return await self.request("PATCH", url, decode=decode, **options)

    async def delete(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a DELETE; retried when it fails in a transient way."""
        return await self.request("DELETE", url, decode=decode, **options)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, **options: Unpack[CallOptions]
    ) -> AsyncIterator[AsyncStream | Failure]:
        """Make one call whose answer is read piece by piece: `async with client.stream("GET", url) as result:`.

        Attempts and retries go on until the first bytes of a body have come; what fails until then is a `Failure`. Then
        there is an `AsyncStream`, and `async for piece in result.iter_bytes():` raises `CallFailed` when it cannot go
        on. The deadline runs, the permit is held and the circuit waits until the block ends; leaving it early closes
        the connection. An answer that is no success is read whole, into `result.content`.
        """
        from resilient_client.live import closing_live
        from resilient_client.opened import opened
        from resilient_client.streams import AsyncStream

        call, pipeline = self._call(method, url, None, options, streaming=True)
        with closing_live(call):
            yield opened(AsyncStream, call, await pipeline(call), self._backend.now)

    async def gather(
        self, requests: Iterable[Request[T] | str], *, max_concurrent: int | None = None
    ) -> list[Result[T]]:
        """Make many calls in several tasks, and return their results in the order of `requests`.

        `max_concurrent` are under way at once, by default as many as the bulkhead has permits. Each has a deadline of
        its own from the moment it begins; `with deadline(...)` around it bounds all of them together. A wrong argument
        of any raises before the first is sent.
        """
        return await self._gathered(requests, max_concurrent)

    async def download(
        self,
        url: str,
        path: str | os.PathLike[str],
        *,
        digest: str | None = None,
        progress: Progress | None = None,
        overwrite: bool = True,
        **options: Unpack[CallOptions],
    ) -> Result[Downloaded]:
        """Get a file and put it at `path`, whole or not at all; a body that breaks off goes on where it did.

        As `Client.download`. The file is written on another thread; a task that is cancelled leaves when the write that
        is under way is over. `progress` is called on the event loop.
        """
        from resilient_client.transfers.wanted import Wanted

        wanted = Wanted.checked(path, digest=digest, progress=progress, overwrite=overwrite)
        return await self._download(url, wanted, options)

    @asynccontextmanager
    async def websocket(self, url: str, **options: Unpack[SocketOptions]) -> AsyncIterator[AsyncWebSocket | Failure]:
        """Open a WebSocket: `async with client.websocket("/prices") as result:`, from a ws, wss, http or https URL.

        The handshake is one call, with attempts, retries and deadline of a GET; what fails is a `Failure`. Then
        there is an `AsyncWebSocket`. The permit is held and the circuit waits until the block ends. `SocketOptions` are
        the options. Raises `ConfigError` without the extra `ws`, and for a client with a transport or wire of its own.
        """
        from resilient_client.live import closing_live
        from resilient_client.opened import opened
        from resilient_client.websocket import AsyncWebSocket

        call, pipeline = self._socket_call(url, options)
        with closing_live(call):
            result = opened(AsyncWebSocket, call, await pipeline(call), self._backend.now)
            yield result
            if result:
                await result.close()

    async def close(self) -> None:
        """Close the client's connections; later calls raise `ClientClosed`. Calls under way are not interrupted."""
        if not self._closed:
            self._closed = True
            self._let_go_of_retired()
            await self._wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
