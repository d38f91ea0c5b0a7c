"""What the server says on a WebSocket: messages and its Close; pings are answered, and a silence is looked into."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.classify import said
from resilient_client.wire.sockets import Expired
from resilient_client.wire.websockets.closing import dropped, late
from resilient_client.wire.websockets.frames import Opcode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resilient_client.wire.websockets.duplex import Duplex
    from resilient_client.wire.websockets.frames import Frames, Heard
    from resilient_client.wire.websockets.outgoing import Outgoing
    from resilient_client.wire.websockets.silence import Silence


class Incoming:
    """The receiving half, for one at a time. Interrupted anywhere, it loses nothing: whoever asks next goes on."""

    def __init__(
        self, duplex: Duplex, frames: Frames, silence: Silence, outgoing: Outgoing, clock: Callable[[], float]
    ) -> None:
        self._duplex = duplex
        self._frames = frames
        self._silence = silence
        self._outgoing = outgoing
        self._clock = clock
        self._reader = threading.Lock()  # never waited for

    @contextmanager
    def listening(self) -> Iterator[bool]:
        """Give whether nobody else receives, and let the silence count."""
        if not self._reader.acquire(blocking=False):
            yield False
            return
        try:
            self._silence.resume(self._clock())
            yield True
        finally:
            self._silence.pause(self._clock())
            self._reader.release()

    async def next(self, until: float, ends: Callable[[], float]) -> Heard:
        """Return the next message or the server's Close; raises `TimeoutError` at the time `until`.

        Raises `WireError` for a bad frame, at an end without a Close, for a silent server, and at the time `ends()`.
        """
        while True:
            heard = self._frames.next()
            if heard is None:
                self._frames.feed(await self._more(until, ends))
            elif heard.kind is Opcode.PING:
                self._outgoing.put_if_possible(self._frames.pong(heard.content))
            elif heard.kind is not Opcode.PONG:
                return heard

    async def _more(self, until: float, ends: Callable[[], float]) -> bytes:
        while True:
            end = ends()
            try:
                data = await self._duplex.receive(min(until, end, self._silence.due))
            except Expired:
                self._waited(until, end)
            except OSError as problem:
                raise dropped(said(problem)) from problem
            else:
                if not data:
                    raise dropped("closed by the server")
                self._silence.broken(self._clock())
                return data

    def _waited(self, until: float, end: float) -> None:
        """Do what is due now that nothing has come."""
        now, silence = self._clock(), self._silence
        if now >= end:
            raise late()
        if now >= silence.due and silence.asked:
            why = f"the server was silent, also for {silence.within:g} s after a ping"
            raise WireError(FailureKind.READ_TIMEOUT, why, sent=True)
        if now >= silence.due:
            self._outgoing.put_if_possible(self._frames.ping())
            silence.ask(now)
        elif now >= until:
            raise TimeoutError("no message came in time")
