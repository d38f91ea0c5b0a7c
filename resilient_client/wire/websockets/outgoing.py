"""What we say on a WebSocket: whole messages, one after the other; control frames between; nothing behind a Close."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from resilient_client.pipeline.bulkhead import Answer, Permit, Permits
from resilient_client.policy import Bulkhead
from resilient_client.wire.sockets import Expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resilient_client.backends import Backend
    from resilient_client.wire.websockets.duplex import Duplex
    from resilient_client.wire.websockets.frames import Frames

ONE: Final = Bulkhead(max_concurrent=1, max_waiting=1_000_000)
"""A bulkhead with one place is a turn: first come first served, for threads and tasks, lost to no cancellation."""


class SaidGoodbye(Exception):
    """Our Close was sent."""


class Outgoing:
    """The sending half. `write`: seconds that the peer may take nothing."""

    def __init__(self, duplex: Duplex, frames: Frames, backend: Backend, write: float) -> None:
        self._duplex = duplex
        self._frames = frames
        self._backend = backend
        self._write = write
        self._turn = Permits(ONE)
        self._order = threading.Lock()
        self.said_goodbye = False

    async def message(self, content: str | bytes, ends: Callable[[], float]) -> None:
        """Send a message, and return when the kernel has all of it; one that was begun goes out, also when interrupted.

        Raises `Expired` at the time `ends()` and when the peer takes nothing, `OSError`, and `SaidGoodbye`.
        """
        permit = Permit()
        try:
            if self._turn.ask(permit, self._backend.waker) is Answer.QUEUED:
                await self._backend.wait(permit.waker, ends())
            if not self._turn.holds(permit):
                raise Expired("others were sending all the time")
            await self._all(self._frames.message(content), ends)
        finally:
            self._turn.give_back(permit)

    async def _all(self, frames: Iterator[bytes], ends: Callable[[], float]) -> None:
        try:
            for frame in frames:
                self.put(frame)
                await self._duplex.drain(min(self._backend.now() + self._write, ends()))
        except OSError:
            raise
        except BaseException:
            for frame in frames:
                self.put_if_possible(frame)
            raise

    def put(self, frame: bytes, *, last: bool = False) -> None:
        """Have a frame sent, without waiting for room; raises `OSError` and `SaidGoodbye`."""
        with self._order:
            if self.said_goodbye:
                raise SaidGoodbye
            self.said_goodbye = last
            self._duplex.put(frame)

    def put_if_possible(self, frame: bytes, *, last: bool = False) -> None:
        """Have a frame sent that nobody waits for; that it cannot be is told by what is received."""
        with suppress(OSError, SaidGoodbye):
            self.put(frame, last=last)
