"""A connection to the scripted far side in memory: bytes in, bytes out, and virtual time in between.

The client's own HTTP/1.1 code runs on it, so that a scenario in memory meets the same parser, the same pool and the
same classification as one over a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import h11

from resilient_client.headers import Headers
from resilient_client.testing import steps
from resilient_client.testing.exchange import PIECE
from resilient_client.testing.http1_answer import Http1Answer
from resilient_client.testing.script import (
    Close,
    Data,
    Early,
    End,
    GoAway,
    Head,
    Hear,
    Move,
    Pause,
    Raw,
    Received,
    Reset,
)
from resilient_client.wire.sockets import Expired

if TYPE_CHECKING:
    from resilient_client.backends.virtual import FlowWaker, VirtualBackend
    from resilient_client.testing.journal import Journal, Seen
    from resilient_client.testing.script import Script, Step


class VirtualStream:
    """One connection; `receive` plays the step that the script has for the request that was sent."""

    def __init__(self, backend: VirtualBackend, script: Script, journal: Journal) -> None:
        self._backend = backend
        self._script = script
        self._journal = journal
        self.number = journal.connection_opened()
        self._parser = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._chosen: tuple[Step, int] | None = None
        self._answering = False
        self._body: list[bytes] = []
        self._moves: Iterator[Move] | None = None
        self._answer = Http1Answer("GET", last=False)
        self._seen: Seen | None = None
        self._pause_until: float | None = None
        self._reset = False
        self._ended = False
        self._lost = False
        self._waker: FlowWaker | None = None
        self._switched = False
        self._said = bytearray()
        self._hear: Hear | None = None
        self.handed_over = 0

    # What the client's HTTP code asks.

    async def send(self, data: bytes | memoryview, until: float, *, listening: bool = False) -> int:  # noqa: ARG002 - the far side takes all at once
        """Take in what the client sends; on a connection that is gone it goes nowhere, as on a real one."""
        self.put(bytes(data))
        return len(data)

    def put(self, data: bytes) -> None:
        """Do what `send` does, which never waits."""
        self.handed_over += len(data)
        if self._lost or self._ended:
            return
        if self._switched:
            self._said += data
            self._wake()
            return
        self._parser.receive_data(data)
        self._take_in()

    async def drain(self, until: float) -> None:
        """Return at once."""

    def _take_in(self) -> None:
        while isinstance(event := self._parser.next_event(), h11.Event):
            if isinstance(event, h11.Request):
                self._choose(event)
            elif isinstance(event, h11.Data):
                self._body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._begin()
                self._body.clear()
                self._chosen, self._answering = None, False
                self._parser = h11.Connection(h11.SERVER)
                return
            if self._answers_now:
                self._begin()

    def _choose(self, request: h11.Request) -> None:
        path = request.target.decode("ascii").partition("?")[0]
        step, number = self._script.choose(request.method.decode("ascii"), path, self.number)
        self._request, self._chosen = request, (step or steps.status(404), number)

    @property
    def _answers_now(self) -> bool:
        """Whether the script answers what has come so far of the body, without waiting for the rest."""
        step = self._chosen[0] if self._chosen is not None else None
        return isinstance(step, Early) and sum(map(len, self._body)) >= step.after

    def _begin(self) -> None:
        if self._answering:
            return
        self._answering = True
        request = self._request
        assert request is not None  # noqa: S101 - the message began with one
        assert self._chosen is not None  # noqa: S101 - and its step was chosen then
        step, number = self._chosen
        method, target = request.method.decode("ascii"), request.target.decode("ascii")
        headers = Headers(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw_items()]
        )
        body, chunks = b"".join(self._body), len(self._body)
        received = Received(method, target, headers, body, number, self.number, size=len(body), chunks=chunks)
        self._seen = self._journal.request_begun(received, at=self._backend.now())
        self._moves = iter(step(received))
        self._answer = Http1Answer(method, last=False)

    async def heard(self) -> bool:
        """Play on as far as no time passes."""
        while self._answering and not (self._answer.ready or self._ended):
            if self._pause_until is not None and self._pause_until > self._backend.now():
                return False
            self._pause_until = None
            self._make(next(self._moves or iter(()), None))
        return bool(self._answer.ready) or self._ended

    def on_news(self, tell: Callable[[], None] | None) -> None:
        """Nothing comes from a far side that nobody asks."""

    async def receive(self, until: float) -> bytes:
        """Play on to the next bytes; raises `Expired` or `ConnectionResetError`, returns nothing at the end."""
        while True:
            if self._answer.ready and not self._goes_on:
                return self._answer.take()
            if self._lost or (self._ended and not self._reset):
                return b""
            if self._reset:
                raise ConnectionResetError("reset by the far side")
            if self._hear is not None and self._said:
                self._heard(self._hear)
            elif self._pause_until is not None:
                await self._pause(until)
            else:
                self._make(next(self._moves or iter(()), None))

    async def _pause(self, until: float) -> None:
        assert self._pause_until is not None  # noqa: S101 - the caller looked
        self._waker = self._backend.waker()
        await self._backend.wait(self._waker, min(self._pause_until, until))
        if self._backend.now() >= self._pause_until:
            self._pause_until = None
            if self._hear is not None:
                self._heard(self._hear)
        elif self._backend.now() >= until and not (self._hear is not None and self._said):
            raise Expired("the far side was silent")

    def _make(self, move: Move | None) -> None:
        match move:
            case Pause(seconds) if seconds > 0:
                self._answer.settle()
                self._pause_until = self._backend.now() + seconds
            case Hear():
                self._hear, self._pause_until = move, self._backend.now() + move.seconds
            case Head():
                self._switched = self._switched or move.status == 101
                if self._seen is not None and (move.status >= 200 or self._switched):
                    self._journal.answered(self._seen, move.status)
                self._answer.head(move)
            case Data(content):
                self._answer.data(content)
            case Raw(content):
                self._answer.raw(content)
            case Close() | Reset() | GoAway():
                self._answer.settle()
                self._ended, self._reset = True, isinstance(move, Reset)
                self._leave()
            case End():
                self._answer.end()
                self._finish()
            case None:
                self._answer.end()
                self._leave()
                self._moves = iter((Pause(float("inf")),))  # nothing more comes unless it is asked for

    @property
    def _goes_on(self) -> bool:
        """Whether the far side of a socket says more before it waits; it may hang up right behind its last word."""
        waits = self._pause_until is not None or self._ended or self._lost
        return self._switched and not waits and self._answer.ready < PIECE

    def _heard(self, hear: Hear) -> None:
        """Let the far side go on with what the client said until now, which may be nothing."""
        until, self._pause_until, self._hear = self._pause_until, None, None
        hear.data = bytes(self._said)
        hear.left = 0.0 if until is None else until - self._backend.now()
        self._said.clear()

    def _wake(self) -> None:
        if self._waker is not None:
            self._waker.wake()

    def _finish(self) -> None:
        """End the exchange; a far side that hangs up right behind its answer is seen to have done so."""
        self._leave()
        following = next(self._moves or iter(()), None)
        self._ended = isinstance(following, (Close, Reset, GoAway)) or self._answer.last

    def _leave(self, *, by_client: bool = False) -> None:
        if self._seen is not None:
            self._journal.request_ended(self._seen, aborted=by_client)
            self._seen = None

    def abort(self) -> None:
        """Have the client leave; the far side of a socket still hears its last words."""
        if self._hear is not None and self._said and not self._ended:
            self._heard(self._hear)
            while self._goes_on:
                self._make(next(self._moves or iter(()), None))
        self._leave(by_client=True)
        self._ended = True
        self._wake()

    @property
    def quiet(self) -> bool:
        """Whether the client sees nothing wrong with it."""
        return not self._answer.ready and not self._ended

    @property
    def usable_here(self) -> bool:
        """Virtual connections belong to nobody in particular."""
        return True

    def info(self, name: str) -> Any:  # noqa: ARG002 - there is no socket to tell of
        """Tell nothing."""
        return None

    # What happens to the far side.

    def lose(self) -> None:
        """Have the far side go away without the client noticing until it asks."""
        self._lost = True
        self._leave()
        self._wake()
