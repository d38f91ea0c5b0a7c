"""Whether a download can go on where it stopped: decided from what is there and what was answered, without I/O.

Rules it keeps (RFC 9110, sections 13.1.5, 14.2 to 14.4, 15.3.7 and 15.5.17):

- Bytes are only ever added to bytes of the same representation. Without a validator that says so, it starts over.
- A validator is a strong ETag; or, where there is no ETag at all, a Last-Modified a second older than the answer.
- What a server says about a part must agree with itself and with what it said before; else it starts over.
- It starts over at most once per attempt: an answer to a request for everything is taken as it is, or not at all.

::

    asked for     answer                                          decision
    everything    expected                                        Piece from 0
    everything    206                                             Contradiction
    the rest      206 that fits                                   Piece from where it stopped
    the rest      any other 206, a stale 416                      StartOver
    the rest      416 that names the length that is there         Complete
    the rest      expected: ranges ignored, or the file changed   Piece from 0
    whichever     any other                                       None
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from resilient_client.http_dates import timestamp

if TYPE_CHECKING:
    from resilient_client.exchange import RawHeaders
    from resilient_client.headers import Headers

PARTIAL: Final = 206
UNSATISFIABLE: Final = 416

_STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]+"')
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_LENGTH = re.compile(r"bytes \*/(\d{1,18})", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Have:
    """What is there: the first `size` bytes of what `validator` names, which are `total` in all when that is known."""

    size: int = 0
    validator: str | None = None
    total: int | None = None

    @property
    def can_go_on(self) -> bool:
        """Whether the rest can be asked for."""
        return self.size > 0 and self.validator is not None

    def fields(self) -> RawHeaders:
        """Return the header fields that ask for the rest; none when everything has to be asked for."""
        if self.validator is None or not self.can_go_on:
            return []
        return [(b"Range", b"bytes=%d-" % self.size), (b"If-Range", self.validator.encode("latin-1"))]


@dataclass(frozen=True, slots=True)
class Piece:
    """The body is what comes at `start`, up to `end` when that is known. It belongs to what `validator` names."""

    start: int
    end: int | None
    validator: str | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Complete:
    """What is there is everything."""


@dataclass(frozen=True, slots=True)
class StartOver:
    """The answer does not go with what is there: everything has to be asked for."""

    why: str


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The answer is one to a question that was not asked."""

    why: str


Decision: TypeAlias = Piece | Complete | StartOver | Contradiction | None


def decide(asked: Have, status: int, headers: Headers, *, good: bool, received: float) -> Decision:
    """Return what an answer means to a download that has `asked`; None when it is not about the file.

    `good`: its status was expected. `received`: seconds since 1970, for an answer that does not say when it was made.
    """
    if status == PARTIAL:
        if not asked.can_go_on:
            return Contradiction("206 Partial Content, and no part was asked for")
        return _rest(asked, headers)
    if status == UNSATISFIABLE and asked.can_go_on:
        return _nothing_more(asked, headers)
    return _everything(headers, received) if good and 200 <= status < 300 else None


def _everything(headers: Headers, received: float) -> Piece:
    if _coded(headers):  # ranges count coded bytes, and its length is that of the coded form
        return Piece(0, None, None, None)
    total = _length(headers)
    return Piece(0, total, validator_of(headers, received), total)


def _rest(asked: Have, headers: Headers) -> Piece | StartOver:
    """Take a 206 as the rest of what is there, or say what speaks against that."""
    found = _RANGE.fullmatch((headers.get("content-range") or "").strip())
    if found is None or (found[3] == "*" and asked.total is None):
        return StartOver("206 without a Content-Range that says which bytes of how many they are")
    first, end = int(found[1]), int(found[2]) + 1
    total = asked.total if found[3] == "*" else int(found[3])
    length = _length(headers)
    if first != asked.size or total is None or not first < end <= total:
        return StartOver(f"{found[0]} is not what comes after {asked.size} bytes")
    if asked.total not in {None, total}:
        return StartOver(f"{total} bytes in all, and before it was {asked.total}")
    if _coded(headers) or length not in {None, end - first} or not _same(asked, headers):
        return StartOver("206 with a part of something else")
    return Piece(first, end, asked.validator, total)


def _nothing_more(asked: Have, headers: Headers) -> Complete | StartOver:
    found = _LENGTH.fullmatch((headers.get("content-range") or "").strip())
    if (
        found is not None
        and int(found[1]) == asked.size
        and asked.total in {None, asked.size}
        and _same(asked, headers)
    ):
        return Complete()
    return StartOver(f"416, and {asked.size} bytes are there")


def _same(asked: Have, headers: Headers) -> bool:
    """Return whether an answer that kept `If-Range` names the same representation, as far as it names one."""
    name = "etag" if asked.validator is not None and asked.validator.startswith('"') else "last-modified"
    return headers.get(name) in {None, asked.validator}


def _coded(headers: Headers) -> bool:
    return (headers.get("content-encoding") or "identity").strip().lower() != "identity"


def _length(headers: Headers) -> int | None:
    """Return how many bytes the answer says it has; a body in chunks does not."""
    value = headers.get("content-length")
    if value is None or "transfer-encoding" in headers or not _DIGITS.fullmatch(value.strip()):
        return None
    return int(value)


def validator_of(headers: Headers, received: float) -> str | None:
    """Return what names this representation and no other: a strong ETag, or a Last-Modified that is strong enough."""
    tag = headers.get("etag")
    if tag is not None:  # with a weak one the date must not be used either
        return tag if _STRONG.fullmatch(tag) else None
    value = headers.get("last-modified")
    modified = timestamp(value or "")
    if value is None or modified is None:
        return None
    made = timestamp(headers.get("date") or "") or received
    return value if made - modified >= 1 and is_field_value(value) else None  # RFC 9110, section 8.8.2.2


def is_field_value(text: str) -> bool:
    """Return whether `text` can be sent in a header field."""
    return all(" " <= character <= "\xff" and character != "\x7f" for character in text)
