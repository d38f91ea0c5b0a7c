"""From bytes that come in pieces to text, lines and server-sent events; no I/O, each piece as soon as it is whole."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from resilient_client import decoding

T_co = TypeVar("T_co", covariant=True)

BOM: Final = "\ufeff"

MOST_DIGITS: Final = 15
"""Of a `retry` field; Python itself refuses a number of thousands of them."""


class Stage(Protocol, Generic[T_co]):
    """Takes bytes as they come, gives things as they become whole."""

    def feed(self, data: bytes) -> Iterator[T_co]:
        """Yield what `data` completes."""
        ...

    def end(self) -> Iterator[T_co]:
        """Yield what the end completes."""
        ...


class Pieces:
    """Bytes as they come."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the piece."""
        yield data

    def end(self) -> Iterator[bytes]:
        """Yield nothing more."""
        return iter(())


class Text:
    """Text in the charset that the server named; characters that are cut in two wait for their other half."""

    def __init__(self, content_type: str | None) -> None:
        self._charset = decoding.charset(content_type)
        self._decoder = _decoder(self._charset)

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the characters that are whole."""
        if text := self._decoded(data):
            yield text

    def end(self) -> Iterator[str]:
        """Yield what was cut off, as U+FFFD."""
        if text := self._decoded(b"", final=True):
            yield text

    def _decoded(self, data: bytes, *, final: bool = False) -> str:
        waiting, _ = self._decoder.getstate()
        try:
            return self._decoder.decode(data, final)
        except UnicodeError:  # UTF-16 or UTF-32 without a mark that tells the order of its bytes
            self._decoder = _decoder(f"{self._charset}-{sys.byteorder[0]}e")
            return self._decoder.decode(waiting + data, final)


def _decoder(charset: str) -> codecs.IncrementalDecoder:
    try:
        b"a".decode(charset, "replace")
        return codecs.getincrementaldecoder(charset)("replace")
    except (LookupError, ValueError, TypeError):  # a codec that is not for text, such as base64
        return codecs.getincrementaldecoder("utf-8")("replace")


class Lines:
    """Lines without their ends, which are CR, LF or both, and nothing else: text may hold other separators."""

    def __init__(self, content_type: str | None) -> None:
        self._text = Text(content_type)
        self._parts: list[str] = []
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that are whole."""
        for text in self._text.feed(data):
            yield from self._split(text)

    def end(self) -> Iterator[str]:
        """Yield the last line, when it has no end of its own."""
        for text in self._text.end():
            yield from self._split(text)
        if self._parts:
            yield "".join(self._parts)
            self._parts.clear()

    def _split(self, text: str) -> Iterator[str]:
        if self._after_cr:
            text, self._after_cr = text.removeprefix("\n"), False
        if not text:
            return
        self._after_cr = text.endswith("\r")
        first, *others = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._parts.append(first)
        for line in others:
            yield "".join(self._parts)
            self._parts = [line] if line else []
        if self._parts == [""]:
            self._parts = []


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a `text/event-stream` (WHATWG HTML, section 9.2).

    `id` is the last one that the server gave, and `retry` the last number of milliseconds after which it wants to be
    asked again; a server may send them in an event of their own, without data, which is none.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None


class Events:
    """Server-sent events; comments and fields that nobody knows are left out, as the standard says."""

    def __init__(self) -> None:
        self._lines = Lines("text/event-stream; charset=utf-8")
        self._first = True
        self._event = ""
        self._data: list[str] = []
        self._id = ""
        self._retry: int | None = None

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Yield the events that are whole."""
        for line in self._lines.feed(data):
            text = line.removeprefix(BOM) if self._first else line
            self._first = False
            if not text:
                yield from self._dispatch()
            elif not text.startswith(":"):
                self._field(*_name_and_value(text))

    def end(self) -> Iterator[ServerSentEvent]:
        """Yield nothing: an event that was not ended by an empty line is not whole."""
        return iter(())

    def _dispatch(self) -> Iterator[ServerSentEvent]:
        if self._data:
            yield ServerSentEvent(self._event or "message", "\n".join(self._data), self._id, self._retry)
        self._event, self._data = "", []

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS:
            self._retry = int(value)


def _name_and_value(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")
