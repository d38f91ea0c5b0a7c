"""Bodies, decoded and counted: piece by piece, never more than the cap."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.decoders import decoder_of, undecodable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from resilient_client.exchange import Answer
    from resilient_client.headers import Headers
    from resilient_client.wire.decoders import Decoder

PIECE: Final = 64 * 1024
"""Bytes decoded at a time: what a bomb may cost beyond the cap."""

SLACK: Final = 1024 * 1024
"""Bytes that a coded form may be larger than the cap of what it decodes to."""

MOST_CODINGS: Final = 3
"""Codings on top of each other; nobody means more."""


def decoders(headers: Headers) -> list[Decoder]:
    """Return the decoders for what Content-Encoding lists, the last one applied first."""
    value = headers.get("content-encoding")
    if value is None:
        return []
    names = [name.strip().lower() for name in value.split(",")]
    codings = [name for name in reversed(names) if name not in {"identity", ""}]
    if len(codings) > MOST_CODINGS:
        raise undecodable(f"{len(codings)} content codings on top of each other")
    return [decoder_of(coding) for coding in codings]


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
            more = bool(data) or len(decoded) >= PIECE  # a full piece: there may be more inside the decoder

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


def read_body(answer: Answer, cap: int) -> Coroutine[Any, Any, bytes]:
    """Return the decoded body of `answer`, at most `cap` bytes; its connection is let go of if anything goes wrong."""
    return (_read_coded if answer.headers.get_list("content-encoding") else read_raw)(answer, cap)


async def _read_coded(answer: Answer, cap: int) -> bytes:
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
    body, first, size = answer.body, b"", 0
    collector: Collector | None = None
    try:
        while data := await body.read():
            size += len(data)
            if size > cap:
                raise WireError(FailureKind.TOO_LARGE, f"the body is larger than {cap} bytes", sent=True)
            if not first:  # most bodies come in one piece
                first = data
                continue
            if collector is None:
                collector = Collector()
                collector.keep(first)
            collector.keep(data)
    except BaseException:
        body.abort()
        raise
    return first if collector is None else collector.content()


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
