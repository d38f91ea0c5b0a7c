"""An answer that is still being read: its pieces, and what must happen when it is over.

Whoever holds something for an attempt (a permit, a probe's place, a span) says what to do when it is over. For an
answer that was read whole that is at once; for one that is read piece by piece it is when its reader has come to the
end, has gone, or could not go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Protocol, TypeAlias

from resilient_client.errors import StreamClosed
from resilient_client.exchange import AnswerBody, Outcome, WireError
from resilient_client.forking import generation

Over: TypeAlias = Callable[["Outcome | None"], object]
"""Told how an attempt ended; None when its caller was cancelled or interrupted."""


class Unpacked(Protocol):
    """Turns pieces of a body as they come into pieces of what was sent; counts them against the cap."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to; raises `WireError`."""
        ...

    def end(self) -> None:
        """Raise `WireError` unless the body is complete."""
        ...


class LiveBody:
    """The open body of one answer. Reading it to its end, `close` and every error close it, once.

    `outcome` is how its attempt ended if nothing goes wrong any more; `ended` is how it did, once it is closed.
    """

    def __init__(self, outcome: Outcome, body: AnswerBody, unpacked: Unpacked) -> None:
        self._outcome = outcome
        self._body = body
        self._unpacked = unpacked
        self._ready: Iterator[bytes] = iter(())
        self._first: bytes | None = None
        self._then: list[Over] = []
        self._generation = generation()
        self._taken = False
        self._whole = False
        self.closed = False
        self.ended: Outcome | None = None

    async def begin(self) -> None:
        """Wait for the first bytes, so that an answer without any is still an attempt that can be repeated."""
        self._first = await self.next()

    def on_close(self, then: Over) -> None:
        """Have `then` told when it is over; in the order of asking, which is from the inside out."""
        self._then.append(then)

    def take(self) -> None:
        """Give it to its one reader; raises `StreamClosed` when it has one: each would get holes."""
        if self._taken:
            raise StreamClosed("the body was asked for before; it comes once, to one iterator")
        self._taken = True

    async def next(self) -> bytes:
        """Return the next bytes, empty at the end; raises `WireError`, and `StreamClosed` when it was let go of."""
        if self._generation != generation():
            raise StreamClosed("the body belongs to the process that this one was forked from")
        first, self._first = self._first, None
        if first is not None:
            return first
        if self.closed:
            return self._after_the_end()
        try:
            return await self._next()
        except WireError as error:
            if self._over(self._ended_by(error)):
                raise
            return self._after_the_end()  # another task or thread closed it while this one waited for bytes
        except BaseException:
            self._over(None)
            raise

    def _after_the_end(self) -> bytes:
        if self._whole:
            return b""
        raise StreamClosed("the body was let go of before its end; read it inside the `with` of its stream")

    def _ended_by(self, error: WireError) -> Outcome:
        """Return how the attempt ended. A deadline says nothing of the server: it was sending, at its reader's pace."""
        cause = error.__cause__ or error
        return replace(self._outcome, kind=error.kind, message=error.message, cause=cause, cut_short=True)

    async def _next(self) -> bytes:
        while True:
            for piece in self._ready:
                if piece:
                    return piece
            data = await self._body.read()
            if not data:
                self._unpacked.end()
                self._whole = True
                self._over(self._outcome)
                return b""
            self._ready = self._unpacked.pieces(data)

    def close(self, *, interrupted: bool = False) -> None:
        """Let go of the rest: its reader has seen enough, or was interrupted. Never waits; harmless when it is over."""
        self._over(None if interrupted else self._outcome)

    def _over(self, outcome: Outcome | None) -> bool:
        """Close it, and return whether it was open until now."""
        was_open = not self.closed
        if was_open:
            self.closed, self.ended, self._first = True, outcome, None
        if self._generation != generation():
            self._then.clear()  # they are the parent's to tell
        try:
            self._body.abort()  # harmless after the end
        finally:
            self._tell()
        return was_open

    def _tell(self) -> None:
        """Tell all of them, also when an interrupt comes in the middle."""
        try:
            while self._then:
                self._then.pop(0)(self.ended)
        finally:
            if self._then:
                self._tell()


class Opener(Protocol):
    """What may open a body on its way."""

    live: LiveBody | None


class closing_live:  # noqa: N801 - reads as the context manager that it is
    """Let go of the body that `opener` opened when the block ends, however it ends.

    The block begins before there is one, so that an interrupt finds no moment at which nobody would.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the body; a generator that is closed while it reads has seen enough, and is not interrupted."""
        live = self._opener.live
        if live is not None:
            interrupted = kind is not None and not issubclass(kind, (Exception, GeneratorExit))
            try:
                live.close(interrupted=interrupted)
            finally:
                live.close(interrupted=interrupted)  # harmless, and there for an interrupt in the middle of the first


def when_over(outcome: Outcome | None, then: Over) -> None:
    """Tell `then` how an attempt ended: now, or when its answer, which is still being read, is over."""
    if outcome is None or outcome.live is None:
        then(outcome)
    else:
        outcome.live.on_close(then)
