"""The server's side of one HTTP/1.1 connection: requests read with h11, answers played from the script."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Final

import h11

from resilient_client.headers import Headers
from resilient_client.testing.exchange import PIECE, pause
from resilient_client.testing.http1_answer import Http1Answer
from resilient_client.testing.script import Close, Data, End, GoAway, Head, Hear, Pause, Raw, Reset

if TYPE_CHECKING:
    from resilient_client.testing.channel import Channel
    from resilient_client.testing.exchange import Desk, Exchange
    from resilient_client.testing.script import Move

HEAD_LIMIT: Final = 1024 * 1024


class Http1Side:
    """Serves one connection until either side closes it; cancelled when the client leaves."""

    def __init__(self, channel: Channel, desk: Desk) -> None:
        self._channel = channel
        self._desk = desk
        self._parser = h11.Connection(h11.SERVER, HEAD_LIMIT)

    async def run(self) -> None:
        """Answer requests one after the other."""
        try:
            while await self._serve_one():
                leftover, _ = self._parser.trailing_data
                self._parser = h11.Connection(h11.SERVER, HEAD_LIMIT)
                if leftover:
                    self._parser.receive_data(leftover)
        except h11.RemoteProtocolError as error:
            self._desk.problems.append(f"connection {self._channel.number}: the client sent no HTTP: {error}")
            self._channel.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    async def _serve_one(self) -> bool:
        """Answer one request and return whether another may follow."""
        event = await self._event()
        if not isinstance(event, h11.Request):
            return False
        self._channel.idle = False
        fields = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items())
        method, target = event.method.decode("latin-1"), event.target.decode("latin-1")
        old = event.http_version < b"1.1"
        last = old or "close" in fields.get("connection", "").lower()
        with self._desk.begin(
            method, target, fields, connection=self._channel.number, left=lambda: self._channel.gone
        ) as exchange:
            whole = await self._read_body(exchange)
            if whole is None:
                return False
            if not whole:
                self._channel.pause()
            goes_on = await self._play(exchange, Http1Answer(method, last=last, old=old))
            self._channel.go_on()
            return goes_on and (whole or bool(await self._read_body(exchange, to_the_end=True)))

    async def _event(self) -> h11.Event:
        """Return the next thing the client said, or that it left."""
        while not isinstance(event := self._parser.next_event(), h11.Event):
            if self._parser.they_are_waiting_for_100_continue:
                go_on = self._parser.send(h11.InformationalResponse(status_code=100, reason=b"Continue", headers=[]))
                self._channel.write(go_on or b"")
            data = await self._channel.receive()
            if not data:
                return h11.ConnectionClosed()
            self._parser.receive_data(data)
        return event

    async def _read_body(self, exchange: Exchange, *, to_the_end: bool = False) -> bool | None:
        """Read the body to its end; False when the script wants to answer before, None when the client left."""
        with_length = exchange.seen.headers.get("transfer-encoding") is None
        begun = False
        while to_the_end or not exchange.answers_now:
            event = await self._event()
            if not isinstance(event, h11.Data):
                return True if isinstance(event, h11.EndOfMessage) else None
            exchange.body(bytes(event.data), new_chunk=not begun if with_length else event.chunk_start)
            begun = True
        return False

    async def _play(self, exchange: Exchange, answer: Http1Answer) -> bool:
        for move in exchange.moves():
            if isinstance(move, (Close, Reset, GoAway)):
                await self._break_off(exchange, answer, move)
                return False
            await self._make(exchange, answer, move)
        answer.end()
        await self._finish(exchange, answer)
        return not answer.last

    async def _make(self, exchange: Exchange, answer: Http1Answer, move: Move) -> None:
        match move:
            case Pause(seconds) if seconds > 0:
                answer.settle()
                await self._channel.send(answer.take())
                await pause(seconds)
            case Pause():
                await asyncio.sleep(0)
            case Head() if move.status in range(100, 200):
                if move.status == 101:  # the last word in HTTP
                    exchange.answered(101)
                answer.head(move)
                await self._channel.send(answer.take())
            case Head():
                exchange.answered(move.status)
                answer.head(move)
            case Data(content):
                answer.data(content)
                await self._send_pieces(answer)
            case Raw(content):
                answer.raw(content)
                await self._send_pieces(answer)
            case End():
                answer.end()
                await self._finish(exchange, answer)
            case Hear():
                await self._channel.send(answer.take())
                await self._hear(move)

    async def _hear(self, hear: Hear) -> None:
        """Wait for bytes behind the request: they are no HTTP any more."""
        began = time.monotonic()
        limit = asyncio.timeout(None if hear.seconds == math.inf else hear.seconds)
        with contextlib.suppress(TimeoutError):
            async with limit:
                hear.data = await self._channel.receive()
        if not hear.data and not limit.expired():
            await asyncio.sleep(0)  # the client left, which cancels this task
        hear.left = max(0.0, hear.seconds - (time.monotonic() - began))

    async def _break_off(self, exchange: Exchange, answer: Http1Answer, move: Close | Reset | GoAway) -> None:
        answer.settle()
        await self._finish(exchange, answer)
        if isinstance(move, Reset):
            self._channel.reset()
        else:
            await self._channel.close(notify=not isinstance(move, Close) or move.notify)

    async def _finish(self, exchange: Exchange, answer: Http1Answer) -> None:
        """Send the rest, the exchange entered as ended and the connection as idle before the last byte goes."""
        await self._send_pieces(answer)
        exchange.ended()
        self._channel.idle = True
        await self._channel.send(answer.take())

    async def _send_pieces(self, answer: Http1Answer) -> None:
        """Send all but the last piece of what is ready, waiting for room in between."""
        if answer.bodyless:
            await asyncio.sleep(0)  # an endless body that HEAD drops must not keep the loop to itself
        while answer.ready > PIECE:
            await self._channel.send(answer.take(PIECE))
