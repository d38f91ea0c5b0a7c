"""HTTP/1.1 over one stream, with h11 as the state machine, written once for threads and tasks.

Rules it keeps: a connection is reused only after an answer was read to its exact end and nothing came behind it; an
answer that contradicts itself is never whole; every wait is bounded by the attempt's limits.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, Final

import h11

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import checked_piece
from resilient_client.wire.classify import is_tls_alert, said
from resilient_client.wire.keep_alive import kept_for
from resilient_client.wire.sockets import Expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resilient_client.exchange import Limits, RawHeaders
    from resilient_client.wire.sockets import ChunkSource, Network, Stream

MAX_HEAD: Final = 100 * 1024
"""Bytes a head may have, the same as h11's users elsewhere allow."""

GRACE: Final = 0.05
"""Seconds for an answer to arrive that a server gave to a request before it had taken all of it."""

JOIN_BELOW: Final = 64 * 1024
"""A first body piece up to this size leaves together with the head, in one write."""


class Http1Connection:
    """One connection: `exchange`, then `read` until it returns nothing, then perhaps again."""

    multiplexed = False

    def __init__(
        self, stream: Stream, network: Network, *, absolute: bytes = b"", extra: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        self._stream = stream
        self._network = network
        self._absolute = absolute
        self._extra = list(extra)
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._limits: Limits | None = None
        self._ended = False
        self._before = 0
        self._heard = False
        self.requests = 0
        self.idle_until = 0.0
        self.kept_for = inf

    # One exchange.

    async def exchange(
        self, method: bytes, target: bytes, headers: RawHeaders, chunks: Any, limits: Limits
    ) -> tuple[int, RawHeaders, str]:
        """Send a request and return status, header fields and version of its answer; raises `WireError`."""
        self._limits = limits
        self._heard = False
        self._before = self._stream.handed_over
        self.requests += 1
        try:
            await self._send_request(method, target, headers, chunks)
        except OSError as problem:
            event = await self._answer_instead(problem, limits)
        else:
            event = await self._head()
        response_headers = list(event.headers.raw_items())
        names = {name.lower() for name, _ in response_headers}
        self.kept_for = kept_for(response_headers) if b"keep-alive" in names else inf
        if b"content-length" in names and b"transfer-encoding" in names:
            raise self._error(FailureKind.PROTOCOL, "the answer has both Content-Length and Transfer-Encoding")
        return event.status_code, response_headers, f"HTTP/{event.http_version.decode('ascii')}"

    async def _send_request(self, method: bytes, target: bytes, headers: RawHeaders, chunks: Any) -> None:
        limits = self._require_limits()
        try:
            data = self._parser.send(
                h11.Request(method=method, target=self._absolute + target, headers=headers + self._extra)
            )
            source = self._network.iterate(chunks, limits.attempt_until)
            while (piece := await self._piece(source)) is not None:
                framed = self._parser.send(h11.Data(data=piece))
                if len(piece) > JOIN_BELOW:
                    await self._write(data)
                    data = b""
                await self._write(data + framed)
                data = b""
            await self._write(data + self._parser.send(h11.EndOfMessage()))
        except h11.LocalProtocolError as problem:
            raise self._error(FailureKind.LOCAL, f"the request is not valid HTTP/1.1: {problem}") from problem

    async def _piece(self, source: ChunkSource) -> bytes | None:
        """Return the next piece of the request body; whatever goes wrong with it is not the server's doing."""
        limits = self._require_limits()
        limits.check("sending the request", sent=self._sent)
        try:
            return checked_piece(await source.next())
        except Expired as problem:
            raise self._error(limits.expired(FailureKind.WRITE_TIMEOUT), str(problem)) from problem
        except Exception as problem:
            raise self._error(FailureKind.LOCAL, f"the request body could not be read: {said(problem)}") from problem

    @property
    def _sent(self) -> bool:
        return self._stream.handed_over > self._before

    async def _write(self, data: bytes) -> None:
        limits = self._require_limits()
        view = memoryview(data)
        while view:
            limits.check("sending the request", sent=self._sent)
            view = view[await self._stream.send(view, limits.silence_until(limits.write)) :]

    async def _answer_instead(self, problem: OSError, limits: Limits) -> Any:
        """Return what the server says to a request that it took only a part of, if it is here; else raise."""
        late = isinstance(problem, Expired)
        failure = self._broken(problem)
        if late:
            failure = self._error(limits.expired(FailureKind.WRITE_TIMEOUT), "the server took nothing")
        if not self._sent:
            raise failure from problem
        self._limits = replace(limits, attempt_until=limits.attempt_until + GRACE, read=GRACE)
        try:
            return await self._head()
        except WireError:
            raise failure from problem
        finally:
            self._limits = limits

    async def _head(self) -> Any:
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise self._broken(None)
            if event.status_code == 101:
                raise self._error(FailureKind.PROTOCOL, "the server changed protocols without being asked")

    async def read(self) -> bytes:
        """Return the next bytes of the body as they came, empty at its end; raises `WireError`."""
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Data):
                if event.data:
                    return bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._limits = None
                return b""
            else:
                raise self._error(FailureKind.TRUNCATED, "the connection ended inside the body")

    async def _next_event(self) -> Any:
        limits = self._require_limits()
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as problem:
                raise self._wrong(problem) from problem
            if event is not h11.NEED_DATA:
                return event
            try:
                data = await self._stream.receive(limits.silence_until(limits.read))
            except Expired as problem:
                raise self._error(limits.expired(FailureKind.READ_TIMEOUT), "the server was silent") from problem
            except OSError as problem:
                raise self._broken(problem) from problem
            if data:
                self._heard = True
                limits.check("reading the answer", sent=True)
            elif self._parser.their_state is h11.SEND_RESPONSE:
                raise self._broken(None)
            else:
                self._ended = True
            self._parser.receive_data(data)

    # What a failure is.

    def _require_limits(self) -> Limits:
        assert self._limits is not None  # noqa: S101 - exchange() sets it before anything else runs
        return self._limits

    def _error(self, kind: FailureKind, message: str, *, stale: bool = False) -> WireError:
        return WireError(kind, message, sent=self._sent, reused=self.requests > 1, stale=stale)

    def _broken(self, problem: OSError | None) -> WireError:
        how = said(problem) if problem is not None else "closed by the server"
        if is_tls_alert(problem) and not self._heard:  # TLS 1.3 refuses a client's certificate after the handshake
            return self._error(FailureKind.TLS, f"the server ended TLS ({how})")
        if self._parser.their_state is h11.SEND_BODY:
            return self._error(FailureKind.TRUNCATED, f"the connection ended inside the body ({how})")
        stale = self.requests > 1 and not self._heard
        where = "inside the head" if self._heard else "before the first byte of an answer"
        return self._error(FailureKind.RESET, f"the connection ended {where} ({how})", stale=stale)

    def _wrong(self, problem: h11.RemoteProtocolError) -> WireError:
        if self._ended:
            return self._error(FailureKind.TRUNCATED, f"the connection ended inside the body ({problem})")
        if problem.error_status_hint == 431:
            return self._error(FailureKind.TOO_LARGE, f"the head of the answer is larger than {MAX_HEAD} bytes")
        why = str(problem).replace("bytearray(b", "(b")
        return self._error(FailureKind.PROTOCOL, f"the answer is not valid HTTP/1.1: {why}")

    # Between exchanges.

    def finish(self) -> bool:
        """Make ready for another exchange; False when this connection must not be used again."""
        parser = self._parser
        if parser.our_state is not h11.DONE or parser.their_state is not h11.DONE or parser.trailing_data[0]:
            return False
        parser.start_next_cycle()
        return True

    @property
    def reusable(self) -> bool:
        """Whether it still stands, with nothing on it that nobody asked for, and belongs here."""
        return self._stream.usable_here and self._stream.quiet

    @property
    def usable_here(self) -> bool:
        """Whether the running loop of this process may use it."""
        return self._stream.usable_here

    @property
    def stream(self) -> Stream:
        """The stream below."""
        return self._stream

    def abort(self) -> None:
        """Close at once."""
        self._stream.abort()
