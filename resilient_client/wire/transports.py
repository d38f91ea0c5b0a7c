"""httpx transports: ours, with our pool inside, and what comes out of any of them: bodies and classified errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx

from resilient_client.exchange import Limits, WireError
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import BodyFailed
from resilient_client.wire.classify import of_foreign
from resilient_client.wire.pool import Pool
from resilient_client.wire.sockets import ChunkSource, Expired

if TYPE_CHECKING:
    from resilient_client.wire.httpx_wire import HttpxWire

TIMEOUTS: Final = frozenset(
    (FailureKind.CONNECT_TIMEOUT, FailureKind.POOL_TIMEOUT, FailureKind.READ_TIMEOUT, FailureKind.WRITE_TIMEOUT)
)


class BlockingTransport(httpx.HTTPTransport):
    """httpx's own transport with our pool inside, so that what patches httpx's transport still sees every request."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool  # type: ignore[assignment]


class AsyncioTransport(httpx.AsyncHTTPTransport):
    """httpx's own asynchronous transport with our pool inside."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool  # type: ignore[assignment]


class TransportBody:
    """The body of a transport's answer, pulled piece by piece."""

    def __init__(self, wire: HttpxWire, response: Any, limits: Limits) -> None:
        self._wire = wire
        self._response = response
        self._limits = limits
        self._source: ChunkSource | None = wire.pieces(response.stream, limits)

    async def read(self) -> bytes:
        """Return the next bytes, empty at the end."""
        source = self._source
        if source is None:
            return b""
        try:
            while (piece := await source.next()) is not None:
                if not self._wire.ours:
                    self._limits.check("reading the body", sent=True)
                if piece:
                    return piece
            await self._wire.over(self._response)
        except BaseException as problem:  # noqa: BLE001 - raised again, classified
            self.abort()
            raise classified(problem, self._limits, in_body=True) from cause_of(problem)
        self._source = None
        return b""

    def abort(self) -> None:
        """Let go of the rest."""
        if self._source is not None:
            self._source = None
            self._wire.let_go(self._response)


def classified(problem: BaseException, limits: Limits, *, in_body: bool = False) -> BaseException:
    """Return the `WireError` that an exception of a transport is; what is no `Exception` stays as it is."""
    if isinstance(problem, WireError) or not isinstance(problem, Exception):
        return problem
    if isinstance(problem, Expired):
        return WireError(limits.expired(FailureKind.READ_TIMEOUT), "the transport did not answer in time", sent=True)
    if isinstance(problem, BodyFailed):
        return WireError(FailureKind.LOCAL, str(problem), sent=True)
    error = of_foreign(problem, in_body=in_body)
    if error.kind in TIMEOUTS:
        error.kind = limits.expired(error.kind)
    return error


def cause_of(problem: BaseException) -> BaseException | None:
    """Return what a classified error names as its cause: the exception that somebody else raised."""
    return problem.__cause__ if isinstance(problem, (WireError, BodyFailed)) else problem
