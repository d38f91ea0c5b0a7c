"""Request bodies: what may be sent, how it is framed, and whether it can be sent again."""

from __future__ import annotations

import dataclasses
import io
import json as jsonlib
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, cast

import httpx

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


class RequestStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body as any httpx transport takes it."""

    def __init__(self, body: Body) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from cast("Iterable[bytes]", self.body.chunks())  # a blocking client takes no asynchronous body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self.body.chunks()
        if isinstance(pieces, AsyncIterable):
            async for piece in pieces:
                yield piece
        else:
            for piece in pieces:
                yield piece


def pieces_of(stream: Any) -> Iterable[bytes] | AsyncIterable[bytes]:
    """Return what a transport was given to send, without the layer that only foreign transports need."""
    pieces: Iterable[bytes] | AsyncIterable[bytes] = (
        stream.body.chunks() if isinstance(stream, RequestStream) else stream
    )
    return pieces


# From arguments to a body.


def encode(
    *, content: Any = None, data: Any = None, files: Any = None, json: Any = None, asynchronous: bool = False
) -> tuple[Body, list[tuple[bytes, bytes]]]:
    """Return the body that the arguments of a verb make, and the header fields that describe it.

    Raises `TypeError` for more than one kind of body, and for an asynchronous one in a blocking client.
    """
    given = [name for name, value in (("content", content), ("json", json)) if value is not None]
    if data is not None or files is not None:
        given.append("data" if files is None else "files")
    if len(given) > 1:
        raise TypeError(f"{given[0]}= and {given[1]}= were both given; a request has one body")
    if content is not None:
        return _content(content, asynchronous=asynchronous)
    if json is not None:
        return _sized(dump_json(json), b"application/json")
    if files is not None:
        return _multipart(data, files)
    if data is not None:
        return _form(data)
    return EMPTY, []


def _sized(content: bytes, media_type: bytes | None = None) -> tuple[Body, list[tuple[bytes, bytes]]]:
    fields = [(b"Content-Length", b"%d" % len(content))]
    return Bytes(content), fields if media_type is None else [*fields, (b"Content-Type", media_type)]


def _content(content: Any, *, asynchronous: bool) -> tuple[Body, list[tuple[bytes, bytes]]]:
    if isinstance(content, str):
        return _sized(content.encode())
    if isinstance(content, (bytes, bytearray, memoryview)):
        return _sized(bytes(content))
    if hasattr(content, "read"):
        if isinstance(content, io.TextIOBase):
            raise TypeError("content=: the file is open in text mode; open it with mode 'rb'")
        body = File(content)
        length = body.length
        return body, [(b"Transfer-Encoding", b"chunked") if length is None else (b"Content-Length", b"%d" % length)]
    if isinstance(content, AsyncIterable) and not asynchronous:
        raise TypeError(
            "content=: an asynchronous iterable needs AsyncClient; give Client an ordinary iterable of bytes"
        )
    if isinstance(content, (Iterable, AsyncIterable)) and not isinstance(content, Mapping):
        return Stream(content), [(b"Transfer-Encoding", b"chunked")]
    raise TypeError(
        f"content={type(content).__name__}: give bytes, str, a file open in 'rb', or an iterable of bytes; "
        f"use json= or data= for structured values"
    )


def _form(data: Any) -> tuple[Body, list[tuple[bytes, bytes]]]:
    if not isinstance(data, Mapping):
        raise TypeError(f"data={type(data).__name__}: give a mapping of form fields; use content= for raw bytes")
    request = httpx.Request("POST", "http://form", data=dict(data))
    return _sized(request.content, b"application/x-www-form-urlencoded")


def _multipart(data: Any, files: Any) -> tuple[Body, list[tuple[bytes, bytes]]]:
    pairs = list(files.items() if isinstance(files, Mapping) else files)
    if not pairs:
        return _form(data or {})
    wrapped = [(name, _part(value)) for name, value in pairs]
    request = httpx.Request("POST", "http://form", data=dict(data or {}), files=wrapped)
    fields = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    return Multipart(request.stream, replayable=all(_rewinds(value) for _, value in wrapped)), fields


def _part(value: Any) -> Any:
    if isinstance(value, tuple):
        name, handle, *rest = value
        return (name, _from_here(handle), *rest)
    return _from_here(value)


def _from_here(handle: Any) -> Any:
    try:
        return FromHere(handle) if not isinstance(handle, io.TextIOBase) and handle.seekable() else handle
    except AttributeError:
        return handle


def _rewinds(value: Any) -> bool:
    part = value[1] if isinstance(value, tuple) else value
    return isinstance(part, (str, bytes, FromHere))


def dump_json(value: Any) -> bytes:
    """Return `value` as JSON: what `json.dumps` takes, dataclasses, pydantic models and msgspec structs.

    Raises `TypeError` or `ValueError` for anything else, and for NaN and infinity, which JSON does not have.
    """
    text = jsonlib.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    return text.encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    msgspec = sys.modules.get("msgspec")
    if msgspec is not None and isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    raise TypeError(
        f"json=: a {type(value).__name__} is not JSON; give what json.dumps takes, a dataclass, a pydantic model or a "
        f"msgspec struct"
    )
