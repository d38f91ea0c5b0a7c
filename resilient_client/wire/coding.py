"""Content codings: decode a body piece by piece, never more than the cap at a time."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resilient_client.exchange import Answer
    from resilient_client.headers import Headers

PIECE: Final = 64 * 1024
"""Bytes decoded at a time: what a bomb may cost beyond the cap."""

SLACK: Final = 1024 * 1024
"""Bytes that a coded form may be larger than the cap of what it decodes to."""

ACCEPTED: Final = b"gzip, deflate"
"""What requests say in Accept-Encoding."""


class Decoder(Protocol):
    """One coding being undone."""

    def feed(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        """Return decoded bytes, at most `room`, and what of `data` is still to be fed."""
        ...

    def end(self) -> None:
        """Raise `WireError` unless the coded stream is complete."""
        ...


def _undecodable(why: str) -> WireError:
    return WireError(FailureKind.DECODE, why, sent=True)


class Zlib:
    """gzip and deflate; deflate with its zlib wrapper, as the RFC says, or without, as some servers send it."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
        self._wrapped = coding != "deflate"
        self._held = b""
        self._fed = False

    def feed(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        """Inflate some of `data`."""
        if self._inflate.eof:
            if data:
                raise _undecodable(f"there is more behind the end of the {self._coding} stream")
            return b"", b""
        self._fed = True
        if not self._wrapped:
            data = self._held + data
            if len(data) < 2:  # the first two bytes tell whether there is a wrapper
                self._held = data
                return b"", b""
            self._find_wrapper(data)
        try:
            decoded = self._inflate.decompress(data, room)
        except zlib.error as problem:
            raise _undecodable(f"the body is not {self._coding} ({problem})") from problem
        return decoded, self._inflate.unconsumed_tail or self._inflate.unused_data

    def _find_wrapper(self, data: bytes) -> None:
        self._wrapped, self._held = True, b""
        if data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31 != 0:  # RFC 1950, section 2.2
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def end(self) -> None:
        """Raise unless the stream said that it is over; a body of no bytes at all is an empty one."""
        if self._fed and not self._inflate.eof:
            raise _undecodable(f"the {self._coding} stream is cut off")


def decoders(headers: Headers) -> list[Decoder]:
    """Return the decoders for what Content-Encoding lists, the last one applied first."""
    value = headers.get("content-encoding")
    if value is None:
        return []
    found: list[Decoder] = []
    for coding in reversed([name.strip().lower() for name in value.split(",")]):
        if coding in {"gzip", "x-gzip"}:
            found.append(Zlib("gzip"))
        elif coding == "deflate":
            found.append(Zlib("deflate"))
        elif coding not in {"identity", ""}:
            raise _undecodable(f"the content coding {coding!r} was not asked for and is not known")
    if len(found) > 3:
        raise _undecodable(f"{len(found)} content codings on top of each other")
    return found


class Unpacker:
    """Undoes the codings of a body piece by piece, and counts what comes out up to `cap` bytes."""

    def __init__(self, headers: Headers, cap: int) -> None:
        self._decoders = decoders(headers)
        self._cap = cap
        self._sizes = [0] * (len(self._decoders) + 1)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to; raises `WireError` (`decode` or `too_large`)."""
        if not self._decoders:
            self._count(0, len(data))
            return iter((data,))
        return self._through(data, 0)

    def _through(self, data: bytes, stage: int) -> Iterator[bytes]:
        self._count(stage, len(data))
        if stage == len(self._decoders):
            yield data
            return
        more = True
        while more:
            decoded, data = self._decoders[stage].feed(data, PIECE)
            yield from self._through(decoded, stage + 1)
            more = bool(data) or len(decoded) == PIECE  # a full piece: there may be more inside the decoder

    def _count(self, stage: int, count: int) -> None:
        """Bound every stage: a coding inside another would otherwise work long before anything comes out."""
        self._sizes[stage] += count
        slack = 0 if stage == len(self._decoders) else SLACK
        if self._sizes[stage] > self._cap + slack:
            raise WireError(FailureKind.TOO_LARGE, f"the decoded body is larger than {self._cap} bytes", sent=True)

    def end(self) -> None:
        """Raise `WireError` when a coding is incomplete."""
        for decoder in self._decoders:
            decoder.end()


class Collector:
    """Keeps a body as one."""

    def __init__(self) -> None:
        self._whole: bytes | None = None
        self._buffer: io.BytesIO | None = None

    def keep(self, data: bytes) -> None:
        """Take in a piece."""
        if not data:
            return
        if self._whole is None and self._buffer is None:
            self._whole = data  # most bodies come in one piece
            return
        if self._buffer is None:
            self._buffer = io.BytesIO()
            self._buffer.write(self._whole or b"")
            self._whole = None
        self._buffer.write(data)

    def content(self) -> bytes:
        """Return the whole body."""
        if self._buffer is not None:
            return self._buffer.getvalue()  # hands over its memory instead of copying it, as a join would
        return self._whole or b""


async def read_body(answer: Answer, cap: int) -> bytes:
    """Return the decoded body of `answer`, at most `cap` bytes; its connection is let go of if anything goes wrong."""
    body = answer.body
    try:
        unpacker, collector = Unpacker(answer.headers, cap), Collector()
        while data := await body.read():
            for piece in unpacker.pieces(data):
                collector.keep(piece)
        unpacker.end()
        return collector.content()
    except BaseException:
        body.abort()
        raise


async def read_raw(answer: Answer, cap: int) -> bytes:
    """Return the body of `answer` as it came, at most `cap` bytes."""
    pieces: list[bytes] = []
    size = 0
    try:
        while data := await answer.body.read():
            size += len(data)
            if size > cap:
                raise WireError(FailureKind.TOO_LARGE, f"the body is larger than {cap} bytes", sent=True)
            pieces.append(data)
    except BaseException:
        answer.body.abort()
        raise
    return b"".join(pieces)


DISCARD: Final = 64 * 1024
"""Bytes read of a body nobody wants, to keep its connection; more is not worth it."""


async def discard_body(answer: Answer) -> None:
    """Read the rest of an unwanted answer if that is cheap, else let go of its connection."""
    size = 0
    try:
        while data := await answer.body.read():
            size += len(data)
            if size > DISCARD:
                break
        else:
            return
    except WireError:
        return
    finally:
        answer.body.abort()
