"""The blocking facade."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from resilient_client.backends import Backend, run_sync
from resilient_client.base_client import BaseClient
from resilient_client.call_options import CallOptions
from resilient_client.gathering import Request
from resilient_client.result import Failure, Result, T

if TYPE_CHECKING:
    from resilient_client.socket_options import SocketOptions
    from resilient_client.streams import Stream
    from resilient_client.transfers.downloaded import Downloaded
    from resilient_client.transfers.wanted import Progress
    from resilient_client.websocket import WebSocket


class Client(BaseClient):
    """A client for threads: every verb blocks until there is a `Result`.

    Make one per downstream service and keep it; threads may share it, a forked child gets connections of its own.
    `with` it or `close()` it. The options are those of `BaseClient`.
    """

    _asynchronous = False

    @staticmethod
    def _new_backend() -> Backend:
        from resilient_client.backends.blocking import BlockingBackend

        return BlockingBackend()

    def request(
        self, method: str, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]
    ) -> Result[T]:
        """Make one call and wait for its result; `CallOptions` are the options of every verb.

        `decode` is the type of `success.value`; a body that does not fit is a `Failure`. Raises `TypeError`,
        `ValueError` or `ConfigError` for a wrong argument before anything is sent, and `ClientClosed`; whatever the
        network or a policy does is a `Failure`.
        """
        call, pipeline = self._call(method, url, decode, options)
        return self._backend.run(pipeline(call))

    def get(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a GET; retried when it fails in a transient way."""
        return self.request("GET", url, decode=decode, **options)

    def head(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a HEAD; retried when it fails in a transient way."""
        return self.request("HEAD", url, decode=decode, **options)

    def options(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send an OPTIONS; retried when it fails in a transient way."""
        return self.request("OPTIONS", url, decode=decode, **options)

    def post(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a POST; retried after it may have been seen only with an `idempotency_key`."""
        return self.request("POST", url, decode=decode, **options)

    def put(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a PUT; retried when it fails in a transient way."""
        return self.request("PUT", url, decode=decode, **options)

    def patch(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a PATCH; retried after it may have been seen only with an `idempotency_key`."""
        return self.request("PATCH", url, decode=decode, **options)

    def delete(self, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> Result[T]:
        """Send a DELETE; retried when it fails in a transient way."""
        return self.request("DELETE", url, decode=decode, **options)

    @contextmanager
    def stream(self, method: str, url: str, **options: Unpack[CallOptions]) -> Iterator[Stream | Failure]:
        """Make one call whose answer is read piece by piece: `with client.stream("GET", url) as result:`.

        Attempts and retries go on until the first bytes of a body have come; what fails until then is a `Failure`. Then
        there is a `Stream`, and `for piece in result.iter_bytes():` raises `CallFailed` when it cannot go
        on. The deadline runs, the permit is held and the circuit waits until the block ends; leaving it early closes
        the connection. An answer that is no success is read whole, into `result.content`.
        """
        from resilient_client.live import closing_live
        from resilient_client.opened import opened
        from resilient_client.streams import Stream

        call, pipeline = self._call(method, url, None, options, streaming=True)
        run = self._backend.run
        with closing_live(call):
            yield opened(Stream, call, run(pipeline(call)), self._backend.now, run=run)

    @contextmanager
    def websocket(self, url: str, **options: Unpack[SocketOptions]) -> Iterator[WebSocket | Failure]:
        """Open a WebSocket: `with client.websocket("/prices") as result:`, from a ws, wss, http or https URL.

        The handshake is one call, with attempts, retries and deadline of a GET; what fails is a `Failure`. Then
        there is a `WebSocket`. The permit is held and the circuit waits until the block ends. `SocketOptions` are the
        options. Raises `ConfigError` without the extra `ws`, and for a client with a transport or wire of its own.
        """
        from resilient_client.live import closing_live
        from resilient_client.opened import opened
        from resilient_client.websocket import WebSocket

        call, pipeline = self._socket_call(url, options)
        run = self._backend.run
        with closing_live(call):
            result = opened(WebSocket, call, run(pipeline(call)), self._backend.now, run=run)
            yield result
            if result:
                result.close()

    def download(
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

        It is one call: attempts, backoff, deadline and the rest are those of its policy. `Timeouts.attempt` bounds an
        attempt until its first bytes, and `max_body` the file, 100 MiB by default. What has come is in `path` + ".part"
        until it is whole; the next call with the same URL and path goes on with it.

        digest: what the file must have, "sha256:9f86..." or any other algorithm of `hashlib`; a wrong one is `decode`.
        progress: `progress(done, total)`, bytes, called as they are written; total is None when it is not known.
        overwrite: whether a file at `path` may be replaced. If not, one that is there raises, and one that comes
        meanwhile is a `Failure`.

        Only a 200 is a success, unless `expect=` says otherwise. A failure of this machine (a full disk, another
        download to the same place) is `local`. Raises as `request` does, and `ConfigError` for a path that cannot be.
        """
        from resilient_client.transfers.wanted import Wanted

        wanted = Wanted.checked(path, digest=digest, progress=progress, overwrite=overwrite)
        return self._backend.run(self._download(url, wanted, options))

    def submit(
        self, method: str, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]
    ) -> Future[Result[T]]:
        """Make one call on another thread, and return the future of its result.

        Its deadline runs from now, so that the future has its result within `Timeouts.total`, however many wait in
        front of it. As many are under way as the bulkhead has permits. A wrong argument raises here.
        """
        return self._backend.submit(self._submitted(method, url, decode, options), self._at_once())

    def gather(self, requests: Iterable[Request[T] | str], *, max_concurrent: int | None = None) -> list[Result[T]]:
        """Make many calls on several threads, and return their results in the order of `requests`.

        `max_concurrent` are under way at once, by default as many as the bulkhead has permits. Each has a deadline of
        its own from the moment it begins; `with deadline(...)` around it bounds all of them together. A wrong argument
        of any raises before the first is sent.
        """
        return self._backend.run(self._gathered(requests, max_concurrent))

    def close(self, *, wait: bool = True) -> None:
        """Close the client's connections; later calls raise `ClientClosed`. Calls under way are not interrupted.

        Calls that were submitted are waited for; without `wait`, those that have not begun are cancelled.
        """
        if not self._closed:
            self._closed = True
            self._backend.close(wait=wait)
            self._let_go_of_retired()
            run_sync(self._wire.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(wait=kind is None)
