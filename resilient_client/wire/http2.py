"""HTTP/2 over one stream, with h2 as the state machine: many exchanges at once, each with limits of its own.

One task reads and one writes, and both belong to the connection. An exchange only waits; when it gives up, its
stream is reset and no other notices.
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.classify import said
from resilient_client.wire.http1 import MAX_HEAD
from resilient_client.wire.sockets import Expired
from resilient_client.wire.sockets.nonblocking import in_time

if TYPE_CHECKING:
    from resilient_client.exchange import Limits
    from resilient_client.wire.sockets import Network, Stream

WINDOW: Final = 1024 * 1024
"""Bytes a stream may be ahead of its reader, and sixteen times that for the whole connection."""

MAX_STREAMS: Final = 100
"""Streams opened at once before the server said how many it takes (RFC 9113 advises it to take no fewer)."""

RawHeaders = list[tuple[bytes, bytes]]

NOT_FOR_HTTP2: Final = frozenset((b"host", b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"))


class Http2Connection:
    """A connection many exchanges share."""

    def __init__(self, stream: Stream, network: Network) -> None:
        self.stream = stream
        self.network = network
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None, validate_inbound_headers=False))
        self.streams: dict[int, Http2Stream] = {}
        self.requests = 0
        self.idle_until = inf
        self._closed: WireError | None = None
        self._greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._something_to_write = asyncio.Event()
        self._written = asyncio.Event()
        # As initial values they are part of the connection's first frame; set later, they would count only after the
        # server's acknowledgement, and until then both sides would reckon with different windows.
        self.h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD,
            },
        )
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(16 * WINDOW)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        self.wake_writer()

    async def greeted(self, until: float) -> None:
        """Wait for the server's settings: before, nobody knows how many exchanges it takes. Raises `Expired`."""
        await in_time(self._greeted, until)
        if self._closed is not None:
            raise self._closed

    @property
    def room(self) -> bool:
        """Whether another exchange may begin."""
        limit = min(self.h2.remote_settings.max_concurrent_streams, MAX_STREAMS)
        return self._closed is None and self.stream.usable_here and len(self.streams) < limit

    def wake_writer(self) -> None:
        """Let the writing task send what h2 has ready."""
        self._written.clear()
        self._something_to_write.set()

    async def _write(self) -> None:
        try:
            while True:
                await self._something_to_write.wait()
                self._something_to_write.clear()
                data = memoryview(self.h2.data_to_send())
                while data:
                    data = data[await self.stream.send(data, inf) :]
                if not self._something_to_write.is_set():
                    self._written.set()
                    for stream in self.streams.values():
                        stream.wake()
        except OSError as problem:
            self._end(FailureKind.RESET, f"the connection broke ({said(problem)})")

    @property
    def written(self) -> bool:
        """Whether everything h2 had ready was handed over."""
        return self._written.is_set()

    async def _read(self) -> None:
        try:
            while data := await self.stream.receive(inf):
                for event in self.h2.receive_data(data):
                    self._hear(event)
                self.wake_writer()
            self._end(FailureKind.RESET, "the connection was closed by the server")
        except OSError as problem:
            self._end(FailureKind.RESET, f"the connection broke ({said(problem)})")
        except (H2Error, ValueError, RecursionError) as problem:
            self.wake_writer()
            self._end(FailureKind.PROTOCOL, f"the server does not keep to HTTP/2 ({said(problem)})")

    def _hear(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self._hear_goaway(event)
        elif isinstance(event, (WindowUpdated, RemoteSettingsChanged)):
            self._greet(event)
            for stream in self.streams.values():
                stream.wake()
        else:
            stream_id = getattr(event, "stream_id", None)
            if stream_id in self.streams:
                self.streams[stream_id].hear(event)

    def _greet(self, event: Event | None) -> None:
        if not self._greeted.done() and not isinstance(event, WindowUpdated):
            self._greeted.set_result(None)

    def _hear_goaway(self, event: ConnectionTerminated) -> None:
        self._closed = WireError(FailureKind.RESET, "the server said GOAWAY", sent=False)
        last = event.last_stream_id or 0
        for stream_id, stream in list(self.streams.items()):
            if stream_id > last:
                stream.fail(FailureKind.RESET, "the server said GOAWAY before it took this request", sent=False)

    def _end(self, kind: FailureKind, message: str) -> None:
        self._closed = WireError(kind, message, sent=bool(self.streams))
        self._greet(None)
        for stream in list(self.streams.values()):
            stream.fail(kind, message, sent=True)
        self.abort()

    def begin(self) -> Http2Stream:
        """Return the lease of one more exchange."""
        self.requests += 1
        return Http2Stream(self)

    def forget(self, stream_id: int) -> None:
        """Take a stream that is over off the list; a connection that was told to end does so with its last one."""
        self.streams.pop(stream_id, None)
        if self._closed is not None and not self.streams:
            self.abort()

    def abort(self) -> None:
        """Close at once; exchanges on it fail."""
        self._closed = self._closed or WireError(FailureKind.RESET, "the connection was closed here", sent=True)
        self.stream.abort()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()


class Http2Stream:
    """One exchange on a shared connection."""

    def __init__(self, connection: Http2Connection) -> None:
        self._connection = connection
        self.requests = connection.requests
        self._id: int | None = None
        self._limits: Limits | None = None
        self._news: asyncio.Future[None] | None = None
        self._head: RawHeaders | None = None
        self._data: deque[tuple[bytes, int]] = deque()
        self._ended = False
        self._failure: WireError | None = None
        self._sent = False

    @property
    def stream(self) -> Any:
        """The stream below, shared with others."""
        return self._connection.stream

    # What the reading task tells.

    def hear(self, event: Event) -> None:
        """Take in what the server said on this stream."""
        if isinstance(event, ResponseReceived):
            self._head = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, DataReceived):
            self._data.append((event.data, event.flow_controlled_length))
        elif isinstance(event, StreamEnded):
            self._ended = True
        elif isinstance(event, StreamReset):
            self._reset(event)
        self.wake()

    def _reset(self, event: StreamReset) -> None:
        code = event.error_code
        name = code.name if isinstance(code, ErrorCodes) else str(code)
        if code == ErrorCodes.NO_ERROR and self._head is not None:  # enough heard, the rest of the request is unwanted
            self._ended = True
            return
        refused = code == ErrorCodes.REFUSED_STREAM
        kind = FailureKind.TRUNCATED if self._head is not None else FailureKind.RESET
        self.fail(kind, f"the server reset the stream ({name})", sent=not refused)

    def fail(self, kind: FailureKind, message: str, *, sent: bool) -> None:
        """End the exchange with a failure, unless the whole answer is here."""
        if self._failure is None and not self._ended:
            if kind is FailureKind.RESET and self._head is not None:
                kind = FailureKind.TRUNCATED
            self._failure = WireError(kind, message, sent=sent and self._sent, reused=self.requests > 1)
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
        while self._head is None:
            self._raise_failure()
            if self._ended:
                raise WireError(FailureKind.PROTOCOL, "the answer has no head", sent=True)
            await self._wait(limits.silence_until(limits.read), FailureKind.READ_TIMEOUT, "the server was silent")
        return self._status(), [pair for pair in self._head if not pair[0].startswith(b":")], "HTTP/2"

    def _status(self) -> int:
        for name, value in self._head or ():
            if name == b":status" and value.isdigit() and len(value) == 3:
                return int(value)
        raise WireError(FailureKind.PROTOCOL, "the answer has no :status", sent=True)

    async def _send(self, method: bytes, target: bytes, headers: RawHeaders, chunks: Any, limits: Limits) -> None:
        connection = self._connection
        fields = [(name.lower(), value) for name, value in headers]
        authority = next((value for name, value in fields if name == b"host"), b"")
        head = [(b":method", method), (b":authority", authority), (b":scheme", b"https"), (b":path", target)]
        head += [(name, value) for name, value in fields if name not in NOT_FOR_HTTP2]
        has_body = any(name in {b"content-length", b"transfer-encoding"} for name, _ in fields)
        self._id = connection.h2.get_next_available_stream_id()
        connection.h2.send_headers(self._id, head, end_stream=not has_body)
        connection.streams[self._id] = self
        self._sent = True
        connection.wake_writer()
        if has_body:
            await self._send_body(chunks, limits)

    async def _send_body(self, chunks: Any, limits: Limits) -> None:
        connection, stream_id = self._connection, self._id
        assert stream_id is not None  # noqa: S101 - the head was sent
        source = connection.network.iterate(chunks, limits.attempt_until)
        try:
            while (piece := await source.next()) is not None:
                data = memoryview(piece)
                while data:
                    room = await self._room(limits)
                    if room == 0:  # the answer is already here: the rest of the request is not wanted
                        return
                    connection.h2.send_data(stream_id, bytes(data[:room]))
                    data = data[room:]
                    connection.wake_writer()
        except Expired as problem:
            raise self._expired(limits, FailureKind.WRITE_TIMEOUT, "the request body was late") from problem
        connection.h2.end_stream(stream_id)
        connection.wake_writer()

    async def _room(self, limits: Limits) -> int:
        """Return how many bytes may be sent now, waiting for the server to want some; 0 when it answered already."""
        h2 = self._connection.h2
        while True:
            self._raise_failure()
            limits.check(FailureKind.WRITE_TIMEOUT)
            if self._ended:
                return 0
            room = min(h2.local_flow_control_window(self._id or 0), h2.max_outbound_frame_size)
            if room > 0 and self._connection.written:
                return room
            await self._wait(limits.silence_until(limits.write), FailureKind.WRITE_TIMEOUT, "the server took nothing")

    async def read(self) -> bytes:
        """Return the next bytes of the body, empty at its end; raises `WireError`."""
        limits = self._limits
        assert limits is not None  # noqa: S101 - exchange() came first
        while not self._data:
            if self._ended:
                return b""
            self._raise_failure()
            await self._wait(limits.silence_until(limits.read), FailureKind.READ_TIMEOUT, "the server was silent")
        data, counted = self._data.popleft()
        if counted and not self._ended:
            self._connection.h2.acknowledge_received_data(counted, self._id or 0)
            self._connection.wake_writer()
        limits.check(FailureKind.READ_TIMEOUT)
        return data or await self.read()

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
        return WireError(limits.expired(phase), message, sent=self._sent, reused=self.requests > 1)

    def finish(self) -> bool:
        """Leave the connection to the others."""
        return False

    def abort(self) -> None:
        """Reset the stream unless it is over; no other stream notices."""
        connection, stream_id = self._connection, self._id
        if stream_id is None or stream_id not in connection.streams:
            return
        try:
            connection.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        except H2Error:
            connection.forget(stream_id)  # it is closed on the wire already
            return
        connection.wake_writer()
        connection.forget(stream_id)
