"""The server's side of one HTTP/2 connection: frames by h2, each stream's answer played by a task of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from resilient_client.headers import Headers
from resilient_client.testing.exchange import PIECE, pause
from resilient_client.testing.script import Close, Data, End, GoAway, Head, Pause, Raw, Reset

if TYPE_CHECKING:
    from h2.events import Event

    from resilient_client.testing.channel import Channel
    from resilient_client.testing.exchange import Desk, Exchange
    from resilient_client.testing.script import Move

# Fields that belong to one HTTP/1.1 connection and must not be sent here (RFC 9113, section 8.2.2).
CONNECTION_FIELDS: Final = frozenset(("connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"))


@dataclass(slots=True, eq=False)
class _Stream:
    """One request on the connection and the task that plays its answer."""

    number: int
    exchange: Exchange
    task: asyncio.Task[None] | None = None
    ended: bool = False

    def end(self, *, aborted: bool = False, reset_by_client: bool = False) -> None:
        """Enter the end of the exchange; whatever else is known of it later changes nothing."""
        self.ended = True
        self.exchange.ended(aborted=aborted, reset_by_client=reset_by_client)


class Http2Side:
    """Serves one connection: this task reads, each answer is sent by its stream's own task."""

    def __init__(self, channel: Channel, desk: Desk, *, max_streams: int = 100) -> None:
        self._channel = channel
        self._desk = desk
        self._streams: dict[int, _Stream] = {}
        self._room = asyncio.Event()
        self._queued = 0
        self._last_processed: int | None = None
        self._terminated = False
        # Outbound headers are sent as the script has them: a bad server does not check.
        self._h2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._h2.local_settings = Settings(
            client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: max_streams}
        )

    async def run(self) -> None:
        """Serve until the client leaves or a script closes the connection."""
        try:
            self._h2.initiate_connection()
            self._flush()
            while not self._terminated and (data := await self._channel.receive()):
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
        except ProtocolError as error:
            self._desk.problems.append(f"connection {self._channel.number}: the client broke HTTP/2: {error}")
            self._flush()
        finally:
            await self._end_streams()

    # What the client says.

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(number)):
                self._begin(number, [(str(name), str(value)) for name, value in event.headers or ()])
            case DataReceived(stream_id=int(number)):
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, number)
                if stream := self._streams.get(number):
                    stream.exchange.body(event.data or b"", new_chunk=bool(event.data))
                    self._answer_early(stream)
            case StreamEnded(stream_id=int(number)):
                if stream := self._streams.get(number):
                    self._play(stream)
            case StreamReset(stream_id=int(number)):
                if stream := self._streams.get(number):
                    stream.end(aborted=True, reset_by_client=event.remote_reset)
                    self._drop(stream)
            case WindowUpdated() | RemoteSettingsChanged():
                self._room.set()
            case ConnectionTerminated():
                self._terminated = True

    def _begin(self, number: int, fields: list[tuple[str, str]]) -> None:
        if self._last_processed is not None and number > self._last_processed:
            return
        pseudo = dict(fields[:4])
        plain = [(name, value) for name, value in fields if not name.startswith(":")]
        if ":authority" in pseudo:
            plain.insert(0, ("host", pseudo[":authority"]))
        self._channel.idle = False
        exchange = self._desk.begin(
            pseudo[":method"], pseudo[":path"], Headers(plain), connection=self._channel.number, left=self._left
        )
        stream = self._streams[number] = _Stream(number, exchange)
        self._answer_early(stream)

    def _answer_early(self, stream: _Stream) -> None:
        if stream.exchange.answers_now:
            self._play(stream)

    def _play(self, stream: _Stream) -> None:
        if stream.task is None:
            stream.task = asyncio.create_task(self._answer(stream))
            stream.task.add_done_callback(lambda _: self._done(stream))

    def _left(self) -> bool:
        return self._channel.gone or self._terminated

    # What the script says.

    async def _answer(self, stream: _Stream) -> None:
        with stream.exchange as exchange:
            for move in exchange.moves():
                match move:
                    case Close() | Raw():
                        self._flush()
                        for ended in self._streams.values():
                            ended.end()
                        await self._channel.close(notify=not isinstance(move, Close) or move.notify)
                    case Reset(code):
                        self._reset(stream, code)
                        return
                    case GoAway(last_stream):
                        self._go_away(last_stream, stream)
                        if stream.number > last_stream:
                            return
                    case _:
                        await self._make(stream, move)
            await self._end(stream)

    async def _make(self, stream: _Stream, move: Move) -> None:
        match move:
            case Pause(seconds) if seconds > 0:
                await self._send()
                await pause(seconds)
            case Pause():
                await asyncio.sleep(0)
            case Head():
                self._head(stream, move)
                if move.status in range(100, 200):
                    await self._send()
            case Data(content) if stream.exchange.seen.method != "HEAD":
                await self._data(stream.number, memoryview(content))
            case Data():
                await asyncio.sleep(0)  # an endless body that HEAD drops must not keep the loop to itself
            case End():
                await self._end(stream)

    def _head(self, stream: _Stream, head: Head) -> None:
        """Queue a head; status 0 leaves out `:status`, which no client may take for an answer."""
        if head.status not in range(100, 200):
            stream.exchange.answered(head.status)
        status = [(":status", str(head.status))] if head.status else []
        lowered = ((name.lower(), value) for name, value in head.headers)
        plain = [(name, value) for name, value in lowered if name not in CONNECTION_FIELDS]
        self._h2.send_headers(stream.number, [*status, *plain])

    async def _data(self, number: int, content: memoryview) -> None:
        """Queue data as the client's windows allow, sending when a piece has come together or has to wait."""
        while content:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if room > 0:
                self._h2.send_data(number, bytes(content[:room]))
                self._queued += min(room, len(content))
                content = content[room:]
            if self._queued >= PIECE or (room <= 0 and self._queued):
                await self._send()
            elif room <= 0:
                self._room.clear()
                await self._room.wait()

    async def _end(self, stream: _Stream) -> None:
        if not stream.ended:
            stream.end()
            self._h2.end_stream(stream.number)
            self._channel.idle = all(other.ended for other in self._streams.values())
            await self._send()

    def _reset(self, stream: _Stream, code: int) -> None:
        if not stream.ended:
            stream.end()
            self._h2.reset_stream(stream.number, code)
            self._channel.idle = all(other.ended for other in self._streams.values())
            self._flush()

    def _go_away(self, last: int, speaker: _Stream) -> None:
        """Say GOAWAY by hand, since h2 sends nothing more after its own, and drop what is not to be processed."""
        self._last_processed = last
        self._flush()
        self._channel.write(GoAwayFrame(0, last_stream_id=last, error_code=0).serialize())
        for stream in list(self._streams.values()):
            if stream.number > last:
                stream.end()
                if stream is not speaker:
                    self._drop(stream)

    # Housekeeping.

    def _flush(self) -> None:
        self._queued = 0
        self._channel.write(self._h2.data_to_send())

    async def _send(self) -> None:
        self._queued = 0
        await self._channel.send(self._h2.data_to_send())

    def _drop(self, stream: _Stream) -> None:
        if stream.task is None:
            self._done(stream)
        else:
            stream.task.cancel()

    def _done(self, stream: _Stream) -> None:
        """Forget a stream; after GOAWAY the last one to go closes the connection."""
        self._streams.pop(stream.number, None)
        task = stream.task
        if task is not None and not task.cancelled() and (error := task.exception()):
            self._desk.problems.append(f"the answer on stream {stream.number} failed: {error!r}")
            self._channel.hang_up()
        if self._last_processed is not None and not self._streams:
            self._channel.hang_up()

    async def _end_streams(self) -> None:
        streams = list(self._streams.values())
        for stream in streams:
            stream.end(aborted=self._left())
            self._drop(stream)
        await asyncio.gather(*(stream.task for stream in streams if stream.task), return_exceptions=True)
