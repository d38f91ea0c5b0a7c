"""HTTP/2 over one stream, with h2 as the state machine: many exchanges at once, each with limits of its own.

Rules it keeps: one task reads and one writes, and both belong to the connection; an exchange only waits, and when it
gives up its stream is reset and no other notices; a connection on which nothing was heard while an exchange ran out of
time is retired; one that the server drains (GOAWAY) finishes what the server took.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, PingReceived, RemoteSettingsChanged, WindowUpdated
from h2.exceptions import DenialOfServiceError, H2Error
from h2.settings import SettingCodes, Settings

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.classify import said
from resilient_client.wire.goaway import GoAwayFilter
from resilient_client.wire.heads import MAX_HEAD, too_long
from resilient_client.wire.http2_stream import Http2Stream
from resilient_client.wire.sockets import now
from resilient_client.wire.sockets.timing import in_time

if TYPE_CHECKING:
    from resilient_client.wire.sockets import Network, Stream

WINDOW: Final = 1024 * 1024
"""Bytes a stream may be ahead of its reader.

The connection's own window is that of all streams together: readers who take their time over an answer must not keep
the others from theirs.
"""

MAX_STREAMS: Final = 100
"""Streams used at once, whatever the server would take."""

MAX_UNANSWERED: Final = 1000
"""Pings and settings taken in without having been able to write; more is a flood."""


MAX_TABLE: Final = 4096
"""Bytes of header fields sent that are kept to be referred to, what HPACK begins with (RFC 7541, section 4.2)."""


class Http2Connection:
    """A connection many exchanges share."""

    def __init__(self, stream: Stream, network: Network) -> None:
        self.stream = stream
        self.network = network
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None, validate_inbound_headers=False))
        self.streams: dict[int, Http2Stream] = {}
        self.requests = 0
        self.heard = 0
        self.opened = now()
        self.idle_until = inf
        self._closed: WireError | None = None
        self._retired = False
        self._goaway = GoAwayFilter()
        self._unanswered = 0
        self._loop = asyncio.get_running_loop()
        self._greeted: asyncio.Future[None] = self._loop.create_future()
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
        self.h2.decoder.max_header_list_size = MAX_HEAD
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(MAX_STREAMS * WINDOW)
        self._tasks = [asyncio.create_task(self._keep_reading()), asyncio.create_task(self._keep_writing())]
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
        open_for_more = self._closed is None and not self._retired and self.stream.usable_here
        return open_for_more and len(self.streams) < limit

    def begin(self) -> Http2Stream:
        """Return the lease of one more exchange."""
        self.requests += 1
        return Http2Stream(self)

    # Writing.

    def wake_writer(self) -> None:
        """Let the writing task send what h2 has ready."""
        self._written.clear()
        self._something_to_write.set()

    @property
    def written(self) -> bool:
        """Whether everything h2 had ready was handed over."""
        return self._written.is_set()

    async def _keep_writing(self) -> None:
        try:
            while True:
                await self._something_to_write.wait()
                self._something_to_write.clear()
                data = memoryview(self.h2.data_to_send())
                while data:
                    data = data[await self.stream.send(data, inf) :]
                self._unanswered = 0
                if not self._something_to_write.is_set():
                    self._written.set()
                    self._wake_all()
        except OSError as problem:
            self._end(FailureKind.RESET, f"the connection broke ({said(problem)})")
        finally:
            self._end(FailureKind.RESET, "the connection was given up")

    def _wake_all(self) -> None:
        for stream in self.streams.values():
            stream.wake()

    # Reading.

    async def _keep_reading(self) -> None:
        try:
            while data := await self.stream.receive(inf):
                self.heard += 1
                for event in self.h2.receive_data(self._goaway.feed(data)):
                    self._hear(event)
                if self._goaway.last_stream is not None:
                    self._drain(self._goaway.last_stream)
                self.wake_writer()
            self._end(FailureKind.RESET, "the connection was closed by the server")
        except OSError as problem:
            self._end(FailureKind.RESET, f"the connection broke ({said(problem)})")
        except DenialOfServiceError as problem:
            self._end(FailureKind.TOO_LARGE, f"{too_long()} ({said(problem)})")
        except (H2Error, ValueError, RecursionError) as problem:
            self._end(FailureKind.PROTOCOL, f"the server does not keep to HTTP/2 ({said(problem)})")
        finally:
            self._end(FailureKind.RESET, "the connection was given up")

    def _hear(self, event: Event) -> None:
        if isinstance(event, (PingReceived, RemoteSettingsChanged)):
            self._unanswered += 1
            if self._unanswered > MAX_UNANSWERED:
                raise ValueError("a flood of pings or settings")
        if isinstance(event, RemoteSettingsChanged):
            self._bound_table()
            if not self._greeted.done():
                self._greeted.set_result(None)
        if isinstance(event, (WindowUpdated, RemoteSettingsChanged)):
            self._wake_all()
        elif (stream := self.streams.get(getattr(event, "stream_id", None) or 0)) is not None:
            stream.hear(event)

    def _bound_table(self) -> None:
        """Keep no more of what was sent than this, however much of it the server offers to remember."""
        self.h2.encoder.header_table_size = min(self.h2.encoder.header_table_size, MAX_TABLE)

    def _drain(self, last: int) -> None:
        """Finish the streams that the server took, and say of the others that it did not."""
        self._retired = True
        for stream_id, stream in list(self.streams.items()):
            if stream_id > last:
                stream.fail(FailureKind.RESET, "the server said GOAWAY before it took this request", sent=False)
        if not self.streams:
            self.abort()

    # Ending.

    def _end(self, kind: FailureKind, message: str) -> None:
        if self._closed is None:
            self._closed = WireError(kind, message, sent=bool(self.streams))
        if not self._greeted.done():
            self._greeted.set_result(None)
        for stream in list(self.streams.values()):
            stream.fail(self._closed.kind, self._closed.message, sent=True)
        self.abort()

    def forget(self, stream_id: int, idle_until: float) -> None:
        """Take a stream that is over off the list; a connection that is to end does so with its last one."""
        self.streams.pop(stream_id, None)
        self.idle_until = idle_until
        if not self.streams and (self._retired or self._closed is not None):
            self.abort()

    def last_one(self) -> None:
        """Have it close with the exchange that was just begun."""
        self._retired = True

    def retire(self) -> None:
        """Begin nothing more on it; it closes with its last exchange, or now."""
        self._retired = True
        if not self.streams:
            self.abort()

    def abort(self) -> None:
        """Close at once; exchanges on it fail."""
        if self._closed is None:
            self._closed = WireError(FailureKind.RESET, "the connection was closed here", sent=True)
        for stream in list(self.streams.values()):
            stream.fail(FailureKind.RESET, self._closed.message, sent=True)
        self.stream.abort()
        if self._loop.is_closed():
            return
        here = asyncio._get_running_loop() is self._loop  # noqa: SLF001 - exported by asyncio for this question
        for task in self._tasks:
            if not here:
                self._loop.call_soon_threadsafe(task.cancel)
            elif task is not asyncio.current_task():
                task.cancel()
