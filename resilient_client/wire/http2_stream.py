"""One exchange on a shared HTTP/2 connection: it only waits, and when it gives up no other notices."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final

from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

from resilient_client.exchange import Limits, RawHeaders, WireError
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import checked_piece
from resilient_client.wire.classify import said
from resilient_client.wire.heads import MAX_INTERIM, TOO_MANY_INTERIM, excess
from resilient_client.wire.pool import KEEPALIVE
from resilient_client.wire.sockets import Expired, now

if TYPE_CHECKING:
    from resilient_client.wire.http2 import Http2Connection
    from resilient_client.wire.sockets import ChunkSource

NOT_FOR_HTTP2: Final = frozenset(
    (b"host", b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade")
)

TELLING: Final = 1.0
"""Seconds of silence after which a deadline says something about the connection, too."""

SMALL: Final = 4096
"""Bytes below which pieces of a body are kept as one: a frame of one byte, or of none, must not cost a hundred."""

_FORBIDDEN: Final = frozenset(b"\r\n\0")


class Http2Stream:
    """One exchange on a shared connection."""

    over = False

    def __init__(self, connection: Http2Connection) -> None:
        self._connection = connection
        self.requests = connection.requests
        self._id: int | None = None
        self._limits: Limits | None = None
        self._news: asyncio.Future[None] | None = None
        self._head: RawHeaders | None = None
        self._data: deque[tuple[bytes, int]] = deque()
        self._interim = 0
        self._ended = False
        self._failure: WireError | None = None
        self._source: ChunkSource | None = None
        self._sent = False
        self._refused = False
        self._out_of_time: FailureKind | None = None
        self._begun = now()
        self._heard_before = connection.heard

    @property
    def stream(self) -> Any:
        """The stream below, shared with others."""
        return self._connection.stream

    # What the reading task tells.

    def hear(self, event: Event) -> None:
        """Take in what the server said on this stream."""
        if isinstance(event, ResponseReceived):
            self._head = [(bytes(name), bytes(value)) for name, value in event.headers]
            if self._source is not None and self._unwanted:
                self._source.stop()
        elif isinstance(event, DataReceived):
            self._keep(event.data, event.flow_controlled_length)
        elif isinstance(event, StreamEnded):
            self._ended = True
        elif isinstance(event, StreamReset):
            self._reset(event)
        elif isinstance(event, InformationalResponseReceived):
            self._interim += 1
            if self._interim > MAX_INTERIM:
                self.fail(FailureKind.PROTOCOL, TOO_MANY_INTERIM, sent=True)
        elif isinstance(event, TrailersReceived) and (much := excess(event.headers, 0, "end")) is not None:
            self.fail(FailureKind.TOO_LARGE, much, sent=True)
        self.wake()

    def _keep(self, data: bytes, counted: int) -> None:
        if self._data and len(self._data[-1][0]) < SMALL:
            before, counted_before = self._data.pop()
            data, counted = before + data, counted_before + counted
        if data or counted:
            self._data.append((data, counted))

    def _reset(self, event: StreamReset) -> None:
        code = event.error_code
        name = code.name if isinstance(code, ErrorCodes) else str(code)
        if code == ErrorCodes.NO_ERROR and self._head is not None:  # enough heard, the rest of the request is unwanted
            self._ended = True
            return
        self._refused = True
        self.fail(FailureKind.RESET, f"the server reset the stream ({name})", sent=code != ErrorCodes.REFUSED_STREAM)

    def fail(self, kind: FailureKind, message: str, *, sent: bool) -> None:
        """End the exchange with a failure, unless the whole answer is here."""
        if self._failure is not None or self._ended:
            return
        if kind is FailureKind.RESET and self._head is not None:
            kind = FailureKind.TRUNCATED
        stale = kind is FailureKind.RESET and self.requests > 1 and not self._refused
        self._failure = WireError(kind, message, sent=sent and self._sent, reused=self.requests > 1, stale=stale)
        self.wake()

    def wake(self) -> None:
        """Let whoever waits on this stream look again."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    # What the pool asks.

    async def exchange(
        self, method: bytes, target: bytes, headers: RawHeaders, chunks: Any, limits: Limits
    ) -> tuple[int, RawHeaders, str]:
        """Send a request and return the head of its answer; raises `WireError`."""
        self._limits = limits
        try:
            await self._send(method, target, headers, chunks, limits)
        except H2Error as problem:
            raise self._failure or WireError(
                FailureKind.RESET, f"the connection took no more ({said(problem)})", sent=self._sent
            ) from problem
        until = limits.silence_until(limits.read)
        while self._head is None:
            self._raise_failure()
            if self._ended:
                raise WireError(FailureKind.PROTOCOL, "the answer has no head", sent=True)
            await self._wait(until, FailureKind.READ_TIMEOUT, "the server was silent")
        if (much := excess(self._head, 0)) is not None:
            raise WireError(FailureKind.TOO_LARGE, much, sent=True)
        return self._status(), [pair for pair in self._head if not pair[0].startswith(b":")], "HTTP/2"

    def _status(self) -> int:
        status = None
        for name, value in self._head or ():
            if not _FORBIDDEN.isdisjoint(value):
                raise WireError(
                    FailureKind.PROTOCOL, f"the field {name!r} of the answer has a line break in it", sent=True
                )
            if name == b":status" and value.isdigit() and len(value) == 3:
                status = int(value)
        if status is None:
            raise WireError(FailureKind.PROTOCOL, "the answer has no :status", sent=True)
        return status

    async def _send(self, method: bytes, target: bytes, headers: RawHeaders, chunks: Any, limits: Limits) -> None:
        connection = self._connection
        fields = [(name.lower(), value) for name, value in headers]
        authority = next((value for name, value in fields if name == b"host"), b"")
        head = [(b":method", method), (b":authority", authority), (b":scheme", b"https"), (b":path", target)]
        head += [(name, value) for name, value in fields if name not in NOT_FOR_HTTP2]
        if not all(_FORBIDDEN.isdisjoint(value) for _, value in head):
            raise WireError(FailureKind.LOCAL, "a header field of the request has a line break in it", sent=False)
        has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in fields)
        self._id = connection.h2.get_next_available_stream_id()
        connection.h2.send_headers(self._id, head, end_stream=not has_body)
        connection.streams[self._id] = self
        self._sent = True
        connection.wake_writer()
        if has_body:
            length = next((int(value) for name, value in fields if name == b"content-length"), None)
            await self._send_body(chunks, length, limits)

    async def _send_body(self, chunks: Any, length: int | None, limits: Limits) -> None:
        connection, stream_id = self._connection, self._id
        assert stream_id is not None  # noqa: S101 - the head was sent
        source = self._source = connection.network.iterate(chunks, limits.attempt_until)
        sent = 0
        while (piece := await self._piece(source, limits)) is not None:
            data = memoryview(piece)
            sent += len(piece)
            while data:
                room = await self._room(limits)
                if room == 0:  # the answer is already here: the rest of the request is not wanted
                    return
                connection.h2.send_data(stream_id, bytes(data[:room]))
                data = data[room:]
                connection.wake_writer()
        if self._unwanted:
            return
        if length is not None and sent != length:
            raise WireError(FailureKind.LOCAL, f"the body has {sent} bytes, Content-Length says {length}", sent=True)
        connection.h2.end_stream(stream_id)
        connection.wake_writer()

    async def _piece(self, source: ChunkSource, limits: Limits) -> bytes | None:
        """Return the next piece of the request body; whatever goes wrong with it is not the server's doing."""
        limits.check("sending the request", sent=self._sent)
        try:
            return checked_piece(await source.next())
        except Expired as problem:
            if self._unwanted:
                return None
            raise self._expired(limits, FailureKind.WRITE_TIMEOUT, str(problem)) from problem
        except Exception as problem:
            why = f"the request body could not be read: {said(problem)}"
            raise WireError(FailureKind.LOCAL, why, sent=self._sent) from problem

    @property
    def _unwanted(self) -> bool:
        """Whether the server has answered already, so that the rest of the request is not wanted."""
        refused = any(name == b":status" and value >= b"300" for name, value in self._head or ())
        return self._ended or refused

    async def _room(self, limits: Limits) -> int:
        """Return how many bytes may be sent now, waiting for the server to want some; 0 when it answered already."""
        h2 = self._connection.h2
        until = limits.silence_until(limits.write)
        while True:
            self._raise_failure()
            limits.check("sending the request", sent=True)
            if self._unwanted:
                return 0
            room = min(h2.local_flow_control_window(self._id or 0), h2.max_outbound_frame_size)
            if room > 0 and self._connection.written:
                return room
            await self._wait(until, FailureKind.WRITE_TIMEOUT, "the server took nothing")

    async def read(self) -> bytes:
        """Return the next bytes of the body, empty at its end; raises `WireError`."""
        limits = self._limits
        assert limits is not None  # noqa: S101 - exchange() came first
        until = limits.silence_until(limits.read)
        while True:
            while not self._data:
                self._raise_failure()
                if self._ended:
                    return b""
                await self._wait(until, FailureKind.READ_TIMEOUT, "the server was silent")
            data, counted = self._data.popleft()
            self._acknowledge(counted)
            limits.check("reading the answer", sent=True)
            if data:
                return data

    def _acknowledge(self, counted: int) -> None:
        """Let the server send as much again: on this stream, and on the connection even when the stream is over."""
        if counted and self._id is not None:
            try:
                self._connection.h2.acknowledge_received_data(counted, self._id)
            except H2Error:
                return  # the connection is over, and with it its window
            self._connection.wake_writer()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _wait(self, until: float, phase: FailureKind, message: str) -> None:
        loop = asyncio.get_running_loop()
        self._news = loop.create_future()
        limits = self._limits
        assert limits is not None  # noqa: S101 - exchange() sets it first
        timer = None
        if until != inf:
            timer = loop.call_later(max(0.0, until - limits.clock()), self.wake)
        try:
            await self._news
        finally:
            if timer is not None:
                timer.cancel()
        if limits.clock() >= until and self._failure is None and not self._data and not self._ended:
            raise self._expired(limits, phase, message)

    def _expired(self, limits: Limits, phase: FailureKind, message: str) -> WireError:
        kind = limits.expired(phase)
        self._out_of_time = kind
        return WireError(kind, message, sent=self._sent, reused=self.requests > 1)

    def _waited_in_vain(self) -> bool:
        """Return whether the server said nothing at all while this exchange ran out of time.

        A deadline of the caller may be too short to tell, a timeout of the policy is not.
        """
        if self._out_of_time is None or self._connection.heard != self._heard_before:
            return False
        return self._out_of_time is not FailureKind.DEADLINE or now() - self._begun >= TELLING

    def finish(self) -> bool:
        """Leave the connection to the others."""
        return False

    def abort(self) -> None:
        """Reset the stream unless it is over; no other stream notices."""
        connection, stream_id = self._connection, self._id
        if stream_id is None or stream_id not in connection.streams:
            return
        self._acknowledge(sum(counted for _, counted in self._data))
        self._data.clear()
        try:
            connection.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
            connection.wake_writer()
        except H2Error:
            pass  # it is closed on the wire already
        if self._waited_in_vain():  # nobody else shall wait on this connection
            connection.retire()
        connection.forget(stream_id, now() + KEEPALIVE)
