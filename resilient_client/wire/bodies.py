"""Request bodies: where the bytes come from, and whether they can be sent again."""

from __future__ import annotations

import io
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Final, cast

from resilient_client.exchange import Body

CHUNK: Final = 64 * 1024


class Bytes:
    """A body in memory."""

    __slots__ = ("content",)

    replayable = True

    def __init__(self, content: bytes) -> None:
        self.content = content

    def chunks(self) -> Iterable[bytes]:
        """Return the body in one piece; nothing when it is empty."""
        return (self.content,) if self.content else ()


EMPTY: Final = Bytes(b"")


class File:
    """A body read from a file handle, from where the handle stood when it was given."""

    content = None

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._started = False
        try:
            self._start: int | None = handle.tell() if handle.seekable() else None
        except (OSError, AttributeError, ValueError):
            self._start = None

    @property
    def length(self) -> int | None:
        """Bytes from the start to the end, when the handle can tell."""
        if self._start is None:
            return None
        end: int = self._handle.seek(0, io.SEEK_END)
        self._handle.seek(self._start)
        return end - self._start

    @property
    def replayable(self) -> bool:
        """Whether the handle can be put back to where it was, or nothing was read yet."""
        return self._start is not None or not self._started

    def chunks(self) -> Iterator[bytes]:
        """Put the handle back and read from it."""
        if self._start is not None:
            self._handle.seek(self._start)
        self._started = True
        while piece := self._handle.read(CHUNK):
            yield piece


class Stream:
    """A body from an iterator of either kind, good for one reading."""

    content = None

    def __init__(self, pieces: Iterable[bytes] | AsyncIterable[bytes]) -> None:
        self._pieces = pieces
        self._started = False

    @property
    def replayable(self) -> bool:
        """Whether it is untouched, or a collection that can be walked again."""
        return not self._started or isinstance(self._pieces, (list, tuple))

    def chunks(self) -> Iterable[bytes] | AsyncIterable[bytes]:
        """Return the pieces, noting the first one that is taken."""
        return self._later() if isinstance(self._pieces, AsyncIterable) else self._now(self._pieces)

    def _now(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._started = True
            yield piece

    async def _later(self) -> AsyncIterator[bytes]:
        assert isinstance(self._pieces, AsyncIterable)  # noqa: S101 - chunks() looked
        async for piece in self._pieces:
            self._started = True
            yield piece


class Multipart:
    """A multipart form, encoded by httpx."""

    content = None

    def __init__(self, stream: Any, *, replayable: bool) -> None:
        self._stream = stream
        self._started = False
        self._rewinds = replayable

    @property
    def replayable(self) -> bool:
        """Whether every file in it can be put back to where it was."""
        return self._rewinds or not self._started

    def chunks(self) -> Iterator[bytes]:
        """Encode the form from its start."""
        for piece in self._stream:
            self._started = True
            yield piece


class FromHere:
    """A file handle as if it began where it stands now: httpx rewinds to 0, we rewind to where it was."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._start: int = handle.tell()
        self.name = getattr(handle, "name", "upload")

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        data: bytes = self._handle.read(size)
        return data

    def tell(self) -> int:
        """Return the position counted from the start."""
        position: int = self._handle.tell() - self._start
        return position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, counting from the start."""
        base = self._start if whence == io.SEEK_SET else 0
        position: int = self._handle.seek(base + offset, whence) - self._start
        return position


class Pieces:
    """A body as other HTTP libraries take it: something to iterate over, either way.

    With the request's `headers`, it is no longer and no shorter than they say: a library may rely on that.
    """

    def __init__(self, body: Body, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.body = body
        lengths = [int(value) for name, value in headers if name.lower() == b"content-length"]
        self._length = lengths[0] if lengths else None

    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(cast("Iterable[bytes]", self.body.chunks()))  # a blocking client takes no asynchronous body
        size, piece = 0, _next(pieces)
        while piece is not None:
            size += len(piece)
            following = _next(pieces) if size == self._length else None
            self._check(size, following)
            yield piece
            piece = following if size == self._length else _next(pieces)
        self._check(size, None, ended=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self.body.chunks()
        if not isinstance(pieces, AsyncIterable):
            for piece in self:
                yield piece
            return
        later = aiter(pieces)
        size, later_piece = 0, await _anext(later)
        while later_piece is not None:
            size += len(later_piece)
            following = await _anext(later) if size == self._length else None
            self._check(size, following)
            yield later_piece
            later_piece = following if size == self._length else await _anext(later)
        self._check(size, None, ended=True)

    def _check(self, size: int, following: bytes | None, *, ended: bool = False) -> None:
        """Raise `BodyFailed` when the length was wrong; a library that has as much as was said asks for no more."""
        wanted = self._length
        if wanted is not None and (size > wanted or following or (ended and size < wanted)):
            how = "longer" if size > wanted or following else "shorter"
            raise BodyFailed(f"the request body is {how} than its Content-Length, {wanted} bytes")


class BodyFailed(Exception):
    """The caller's own body raised; its exception is the cause."""


def _blame(problem: Exception) -> BodyFailed:
    return BodyFailed(f"the request body could not be read: {type(problem).__name__}: {problem}")


def _next(pieces: Iterator[bytes]) -> bytes | None:
    try:
        return checked_piece(next(pieces, None))
    except Exception as problem:
        raise _blame(problem) from problem


async def _anext(pieces: AsyncIterator[bytes]) -> bytes | None:
    try:
        return checked_piece(await anext(pieces, None))
    except Exception as problem:
        raise _blame(problem) from problem


def checked_piece(piece: object) -> bytes | None:
    """Return a piece of a body; raises `TypeError` when a caller's iterator gave something else."""
    if piece is None or isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"the pieces of a body must be bytes, not {type(piece).__name__}")


class BytesBody:
    """The body of an answer, when it was read already."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes:
        """Return everything, then nothing."""
        content, self._content = self._content, b""
        return content

    def abort(self) -> None:
        """There is nothing to let go of."""
