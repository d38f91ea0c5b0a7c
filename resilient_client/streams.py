"""What `client.stream()` gives: an answer whose body is read piece by piece, at the reader's pace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from resilient_client.errors import CallFailed
from resilient_client.exchange import WireError
from resilient_client.lines import Events, Lines, Pieces, ServerSentEvent, Stage, Text
from resilient_client.live import LiveBody
from resilient_client.opened import Opened

T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class _Open(Opened):
    """A success whose `content` stays empty: its body is read with one of the `iter_` methods, once."""

    live: LiveBody | None = field(default=None, repr=False, compare=False)

    async def _next(self) -> bytes:
        """Return the next piece, empty at the end; raises `CallFailed` for whatever the network does."""
        if self.live is None:
            return b""
        try:
            return await self.live.next()
        except WireError as error:
            assert self.failed is not None  # noqa: S101 - given together with the body
            failure = self.failed(self.live.ended or self.live.ended_by(error))
        raise CallFailed(failure) from failure.cause

    def _take(self, stage: Stage[T]) -> Stage[T]:
        if self.live is not None:
            self.live.take()
        return stage

    def _content_type(self) -> str | None:
        return self.headers.get("content-type")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Stream(_Open):
    """An answer of `Client.stream()`: a `Success` with its body still to be read, inside the `with`.

    A body that ends badly raises `CallFailed`: its failure is of the kind that a whole answer would have had.
    """

    run: Callable[[Coroutine[Any, Any, bytes]], bytes] | None = field(default=None, repr=False, compare=False)

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the decoded body in pieces as they come."""
        return self._through(self._take(Pieces()))

    def iter_text(self) -> Iterator[str]:
        """Yield the body as text in the charset that the server named, else UTF-8."""
        return self._through(self._take(Text(self._content_type())))

    def iter_lines(self) -> Iterator[str]:
        """Yield the lines of the body without their ends (CR, LF, or both)."""
        return self._through(self._take(Lines(self._content_type())))

    def iter_events(self) -> Iterator[ServerSentEvent]:
        """Yield server-sent events."""
        return self._through(self._take(Events()))

    def _through(self, stage: Stage[T]) -> Iterator[T]:
        assert self.run is not None  # noqa: S101 - the client gives it
        while data := self.run(self._next()):
            yield from stage.feed(data)
        yield from stage.end()


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AsyncStream(_Open):
    """An answer of `AsyncClient.stream()`: a `Success` with its body still to be read, inside the `async with`.

    A body that ends badly raises `CallFailed`: its failure is of the kind that a whole answer would have had.
    """

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Yield the decoded body in pieces as they come."""
        return self._through(self._take(Pieces()))

    def iter_text(self) -> AsyncIterator[str]:
        """Yield the body as text in the charset that the server named, else UTF-8."""
        return self._through(self._take(Text(self._content_type())))

    def iter_lines(self) -> AsyncIterator[str]:
        """Yield the lines of the body without their ends (CR, LF, or both)."""
        return self._through(self._take(Lines(self._content_type())))

    def iter_events(self) -> AsyncIterator[ServerSentEvent]:
        """Yield server-sent events."""
        return self._through(self._take(Events()))

    async def _through(self, stage: Stage[T]) -> AsyncIterator[T]:
        while data := await self._next():
            for thing in stage.feed(data):
                yield thing
        for thing in stage.end():
            yield thing
