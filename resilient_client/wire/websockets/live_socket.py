"""An open WebSocket: messages both ways, pings for a silent peer, the closing handshake. For threads and tasks alike.

Rules it keeps:

- One receives, any number send, also at the same time; nobody waits for somebody who waits for the network.
- What is interrupted loses nothing: bytes that came are kept, and a message that was begun goes out whole.
- There is no thread or task of its own: whoever receives answers pings, and asks a silent peer for a sign of life.
- The first end counts: everybody is told the same, and the layers above are told once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final

from resilient_client import ambient
from resilient_client.errors import StreamClosed
from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.still_open import StillOpen
from resilient_client.wire.classify import said
from resilient_client.wire.sockets import Expired
from resilient_client.wire.websockets.closing import closed_with, dropped, late
from resilient_client.wire.websockets.frames import Opcode, Unacceptable
from resilient_client.wire.websockets.incoming import Incoming
from resilient_client.wire.websockets.outgoing import Outgoing, SaidGoodbye

if TYPE_CHECKING:
    from resilient_client.backends import Backend
    from resilient_client.exchange import AnswerBody, Outcome
    from resilient_client.wire.websockets.duplex import Duplex
    from resilient_client.wire.websockets.frames import Frames
    from resilient_client.wire.websockets.silence import Silence

PATIENCE: Final = 1.0
"""Seconds for the other side to answer a Close, when the socket is left in order."""

GLANCE: Final = 0.001
"""Seconds for a look at what has come already, when somebody does not want to wait."""


class LiveSocket(StillOpen):
    """The open connection. `close_code` and `close_reason` are the server's, None and empty until it closed.

    `until` is the deadline it was opened under, as a reading of the clock of `backend`.
    """

    def __init__(
        self,
        outcome: Outcome,
        body: AnswerBody,
        duplex: Duplex,
        frames: Frames,
        silence: Silence,
        backend: Backend,
        *,
        until: float,
        write: float,
    ) -> None:
        super().__init__(outcome)
        self._body = body
        self._duplex = duplex
        self._frames = frames
        self._backend = backend
        self._clock = backend.now
        self._until = until
        self._outgoing = Outgoing(duplex, frames, backend, write)
        self._incoming = Incoming(duplex, frames, silence, self._outgoing, backend.now)
        self._cut: WireError | None = None
        self.close_code: int | None = None
        self.close_reason = ""

    # Receiving.

    async def receive(self, seconds: float = inf) -> str | bytes | None:
        """Return the next message, None when the socket was closed in order.

        Raises `WireError` for what the network does, `TimeoutError` when nothing came for so many seconds, and
        `StreamClosed` when this side let go of it. Only one may receive at a time.
        """
        self._check_here()
        with self._incoming.listening() as alone:
            if not alone:
                raise RuntimeError("another thread or task receives from this WebSocket; let one receive for all")
            if not self.closed:
                return await self._received(self._clock() + max(seconds, GLANCE))
        self._check_order()
        return None

    async def _received(self, until: float) -> str | bytes | None:
        try:
            return await self._next(until)
        except WireError as error:
            if error.kind is FailureKind.TRUNCATED and self._outgoing.said_goodbye:
                self._over(self._outcome)  # it was to end, and ended
                return None
            if isinstance(error, Unacceptable):
                self._say_goodbye(error.code)
            if self._over(self.ended_by(error)):
                raise
            self._check_order()  # another task or thread let go of it while this one waited
            return None
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise  # whoever asks next goes on
        except BaseException:
            self._over(None)
            raise

    async def _next(self, until: float) -> str | bytes | None:
        heard = await self._incoming.next(until, self._ends)
        if heard.kind is Opcode.CLOSE:
            self._closed_by_peer(*heard.content)
            return None
        message: str | bytes = heard.content
        return message

    def _closed_by_peer(self, code: int, reason: str) -> None:
        self.close_code, self.close_reason = int(code), reason
        failure = None if self._outgoing.said_goodbye else closed_with(code, reason)
        self._say_goodbye(code)
        if failure is not None:
            raise failure
        self._over(self._outcome)

    def _check_order(self) -> None:
        """Return when it was closed in order, and raise how else it ended."""
        ended = self.ended
        if ended is self._outcome and self._outgoing.said_goodbye:
            return
        if ended is not None and ended.kind is not None:
            raise WireError(ended.kind, ended.message, sent=True) from ended.cause
        raise StreamClosed("the WebSocket was let go of; use it inside its `with`")

    # Sending.

    async def send(self, message: str | bytes) -> None:
        """Send a message; returns when the kernel has all of it. One that was begun goes out, also when interrupted.

        Raises `WireError` for what the network does, and `StreamClosed` when the socket is closed.
        """
        self._check_open()
        try:
            await self._outgoing.message(message, self._ends)
        except SaidGoodbye:
            raise self._closing() from None
        except OSError as problem:
            raise self._cannot_send(problem) from problem

    async def ping(self) -> None:
        """Send a ping; the pong is a sign of life to whoever receives."""
        self._check_open()
        try:
            self._outgoing.put(self._frames.ping())
        except SaidGoodbye:
            raise self._closing() from None
        except OSError as problem:
            raise self._cannot_send(problem) from problem

    def _cannot_send(self, problem: OSError) -> WireError:
        """Return what it is when something could not be sent.

        After a broken connection receiving goes on: before it broke the server may have said why.
        """
        self._check_open()
        if not isinstance(problem, Expired):
            self._cut = self._cut or dropped(said(problem))
            return self._cut
        error = late()
        if self._clock() < self._ends():
            error = WireError(FailureKind.WRITE_TIMEOUT, "the server took nothing", sent=True)
        self._over(self.ended_by(error))
        return error

    def _check_open(self) -> None:
        self._check_here()
        if self.closed:
            self._check_order()
            raise self._closing()

    def _closing(self) -> StreamClosed:
        code = "" if self.close_code is None else f" by the server, with {self.close_code}"
        return StreamClosed(f"the WebSocket was closed{code}; nothing more can be sent")

    # The end.

    async def shut(self, code: int, reason: str) -> None:
        """Close it in order: say so, and give the server a moment to agree. Messages that still come are dropped."""
        if self.closed:
            return
        self._check_here()
        if self._cut is not None:
            self._over(self.ended_by(self._cut))
            return
        self._outgoing.put_if_possible(self._frames.close(code, reason), last=True)
        await self._answered(min(self._clock() + PATIENCE, self._ends()))
        self._over(self._outcome)

    async def _answered(self, until: float) -> None:
        """Wait for the server's Close, which whoever receives may be the one to see."""
        with self._incoming.listening() as alone:
            if alone:
                with suppress(WireError, TimeoutError):  # it was to end, and ended
                    while await self._next(until) is not None:
                        pass
                return
        waker = self._backend.waker()
        self.on_close(lambda _: waker.wake())
        if not self.closed:
            await self._backend.wait(waker, until)

    def _say_goodbye(self, code: int) -> None:
        self._outgoing.put_if_possible(self._frames.close(code), last=True)

    def _let_go(self) -> None:
        self._body.abort()  # harmless after the end

    # What bounds it.

    def _ends(self) -> float:
        """Return when the deadline is: the one it was opened under, or the one of the moment."""
        return min(self._until, self._clock() + ambient.left())

    def _check_here(self) -> None:
        if not self.closed and not self._duplex.usable_here:
            raise StreamClosed("the WebSocket belongs to the process and the event loop that opened it")
