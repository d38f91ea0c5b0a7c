"""An answer that is still being read: its pieces, and what must happen when it is over.

Whoever holds something for an attempt (a permit, a probe's place, a span) says what to do when it is over. For an
answer that was read whole that is at once; for one that is read piece by piece it is when its reader has come to the
end, has gone, or could not go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol

from resilient_client.errors import StreamClosed
from resilient_client.exchange import AnswerBody, Outcome, WireError
from resilient_client.still_open import Over, StillOpen


class Unpacked(Protocol):
    """Turns pieces of a body as they come into pieces of what was sent; counts them against the cap."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to; raises `WireError`."""
        ...

    def end(self) -> None:
        """Raise `WireError` unless the body is complete."""
        ...


class LiveBody(StillOpen):
    """The open body of one answer. Reading it to its end, `close` and every error close it, once."""

    def __init__(self, outcome: Outcome, body: AnswerBody, unpacked: Unpacked) -> None:
        super().__init__(outcome)
        self._body = body
        self._unpacked = unpacked
        self._ready: Iterator[bytes] = iter(())
        self._first: bytes | None = None
        self._taken = False
        self._whole = False

    async def begin(self) -> None:
        """Wait for the first bytes, so that an answer without any is still an attempt that can be repeated."""
        self._first = await self.next()

    def take(self) -> None:
        """Give it to its one reader; raises `StreamClosed` when it has one: each would get holes."""
        if self._taken:
            raise StreamClosed("the body was asked for before; it comes once, to one iterator")
        self._taken = True

    async def next(self) -> bytes:
        """Return the next bytes, empty at the end; raises `WireError`, and `StreamClosed` when it was let go of."""
        if self.of_the_parent:
            raise StreamClosed("the body belongs to the process that this one was forked from")
        if self.closed:
            return self._after_the_end()
        first, self._first = self._first, None
        if first is not None:
            return first
        try:
            return await self._next()
        except WireError as error:
            if self._over(self.ended_by(error)):
                raise
            return self._after_the_end()  # another task or thread closed it while this one waited for bytes
        except BaseException:
            self._over(None)
            raise

    def _after_the_end(self) -> bytes:
        if self._whole:
            return b""
        raise StreamClosed("the body was let go of before its end; read it inside the `with` of its stream")

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

    def _let_go(self) -> None:
        self._body.abort()  # harmless after the end


class Opener(Protocol):
    """What may open a body or a connection on its way."""

    live: StillOpen | None


class closing_live:  # noqa: N801 - reads as the context manager that it is
    """Let go of what `opener` opened when the block ends, however it ends.

    The block begins before there is one, so that an interrupt finds no moment at which nobody would.
    """

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it; a generator that is closed while it reads has seen enough, and is not interrupted."""
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
