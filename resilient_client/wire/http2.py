"""HTTP/2 over one stream, with h2 as the state machine: many exchanges at once, each with limits of its own.

One task reads and one writes, and both belong to the connection. An exchange only waits; when it gives up, its
stream is reset and no other notices.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    Event,
    RemoteSettingsChanged,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.classify import said
from resilient_client.wire.http1 import MAX_HEAD
from resilient_client.wire.http2_stream import Http2Stream
from resilient_client.wire.sockets.nonblocking import in_time

if TYPE_CHECKING:
    from resilient_client.wire.sockets import Network, Stream

WINDOW: Final = 1024 * 1024
"""Bytes a stream may be ahead of its reader, and sixteen times that for the whole connection."""

MAX_STREAMS: Final = 100
"""Streams opened at once before the server said how many it takes (RFC 9113 advises it to take no fewer)."""


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
