"""An answer as HTTP/1.1 brings it: bytes in; a head, pieces of the body and its end out.

Nearly all answers of nearly all servers are ordinary: a head in one piece, one length or whole chunks, nothing odd.
Those are taken apart here, in a fraction of the time. All others are h11's: it is given the head once more and goes on
from there. What is still valid, and what is wrong with the rest, it decides alone.
"""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Any, Final

import h11

from resilient_client.wire.heads import MAX_HEAD
from resilient_client.wire.keep_alive import kept_for

if TYPE_CHECKING:
    from resilient_client.exchange import RawHeaders
    from resilient_client.wire.http1_request import OutgoingRequest

_LINE: Final = rb"[\t\x20-\x7e\x80-\xff]*"
_FIELDS: Final = rb"((?:[-!#$%&'*+.^_`|~0-9a-zA-Z]+:" + _LINE + rb"\r\n)*)"
_HEAD: Final = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9])(?: " + _LINE + rb")?\r\n" + _FIELDS + rb"\r\n")
_FIELD: Final = re.compile(rb"([^:]+):[ \t]*([^\r]*)\r\n")
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")

_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"connection", b"keep-alive"))
_SIZES: Final = frozenset(map(len, _FRAMING))

CHUNKS: Final = -1
"""The length of a body that comes in chunks."""

HEAD, BODY, END = range(3)
"""What an answer's next bytes belong to."""


class AnswerHead:
    """Status, fields and version of an answer, interim or final."""

    __slots__ = ("fields", "framed_twice", "kept_for", "status", "version")

    def __init__(self, status: int, fields: RawHeaders, version: str = "HTTP/1.1") -> None:
        self.status = status
        self.fields = fields
        self.version = version
        self.kept_for = inf
        """For how many seconds the server keeps the connection."""
        self.framed_twice = False
        """Whether there are two lengths: a field for it, and chunks."""


class IncomingAnswer:
    """The answer to one request, taken apart as it comes. Raises `h11.RemoteProtocolError`."""

    __slots__ = (
        *("_at", "_bytes", "_chunked", "_ended", "_h11", "_head", "_keeps", "_left", "_length", "_request"),
        *("part", "trailers"),
    )

    def __init__(self, request: OutgoingRequest) -> None:
        self.part = HEAD
        self.trailers: RawHeaders = []
        self._request = request
        self._bytes = b""
        """What came and is not taken yet: from `_at` on."""
        self._at = 0
        self._head = b""
        self._left = self._length = 0
        self._chunked = self._ended = False
        self._keeps = True
        self._h11: h11.Connection | None = None

    def receive(self, data: bytes) -> None:
        """Take in the next bytes; nothing, when there will be no more."""
        if self._h11 is not None:
            self._h11.receive_data(data)
        elif data:
            self._bytes = self._bytes[self._at :] + data if self._at < len(self._bytes) else data
            self._at = 0
        else:
            self._ended = True

    # The head.

    def head(self) -> AnswerHead | None:
        """Return the next head, interim ones included; None when that takes more bytes."""
        if self._h11 is None:
            if self._at == len(self._bytes) and not self._ended:
                return None
            if (head := self._ordinary_head()) is not None:
                return head
        return self._head_by_h11(self._h11 or self._hand_over())

    def _ordinary_head(self) -> AnswerHead | None:
        """Take a head that is plainly right; None when this one is not, and nothing is taken."""
        found = _HEAD.match(self._bytes, self._at)
        if found is None:
            return None
        lines = found[2]
        if b" \r" in lines or b"\t\r" in lines:
            return None
        head = AnswerHead(int(found[1]), _FIELD.findall(lines))
        framing = _framing(head.fields)
        if framing is None or (length := self._length_of(head.status, framing)) is None:
            return None
        if head.status >= 200:
            self.part = BODY
            self._head = found[0]
            self._chunked = length == CHUNKS
            self._left = self._length = 0 if length == CHUNKS else length
            self._keeps = b"close" not in framing.get(b"connection", b"").lower()
            if b"keep-alive" in framing:
                head.kept_for = kept_for(head.fields)
        self._at = found.end()
        return head

    def _length_of(self, status: int, framing: dict[bytes, bytes]) -> int | None:
        """Return how many bytes the body has, or CHUNKS; None when that is not plain (RFC 9112, section 6.3)."""
        length, coding = framing.get(b"content-length"), framing.get(b"transfer-encoding")
        if length is not None and (coding is not None or not length.isdigit() or len(length) > 20):
            return None
        if coding not in {None, b"chunked"} or status == 101 or self._request.method == b"CONNECT":
            return None
        if status < 200 or status in {204, 304} or self._request.method == b"HEAD":
            return 0
        if coding is not None:
            return CHUNKS
        return None if length is None else int(length)

    def _hand_over(self) -> h11.Connection:
        """Have h11 go on: from the beginning of a head or, with the head once more, of a chunk."""
        parser = self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        request = self._request
        parser.send(h11.Request(method=request.method, target=b"/", headers=[(b"Host", b""), *request.about]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(self._head + self._bytes[self._at :])
        if self._head:
            parser.next_event()
        if self._ended:
            parser.receive_data(b"")
        return parser

    def _head_by_h11(self, parser: h11.Connection) -> AnswerHead | None:
        event = _next_event(parser)
        if event is h11.NEED_DATA:
            return None
        assert isinstance(event, (h11.InformationalResponse, h11.Response))  # noqa: S101 - nothing else begins an answer
        version = f"HTTP/{event.http_version.decode('ascii')}"
        head = AnswerHead(event.status_code, list(event.headers.raw_items()), version)
        head.kept_for = kept_for(head.fields)
        head.framed_twice = {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}
        if isinstance(event, h11.Response):
            self.part = BODY
        return head

    # The body.

    def body(self) -> bytes | None:
        """Return its next piece, empty at its end; None when that takes more bytes."""
        if self._h11 is not None:
            return self._body_by_h11(self._h11)
        if self._left:
            return self._piece()
        if not self._chunked:
            self.part = END
            return b""
        return self._chunk()

    def _piece(self) -> bytes | None:
        """Return what is here of a body whose length is known."""
        data, at = self._bytes, self._at
        if at == len(data):
            if self._ended:
                raise h11.RemoteProtocolError(f"{self._length - self._left} of {self._length} bytes came")
            return None
        if at or len(data) > self._left:
            data = data[at : at + self._left]
        self._at = at + len(data)
        self._left -= len(data)
        if not self._left:
            self.part = END
        return data

    def _chunk(self) -> bytes | None:
        """Return a chunk that is here as a whole, or the end; a part of one, or an odd one, is h11's."""
        data, at = self._bytes, self._at
        if at == len(data) and not self._ended:
            return None
        if found := _CHUNK.match(data, at):
            begin, size = found.end(), int(found[1], 16)
            end = begin + size
            if data[end : end + 2] == b"\r\n":
                self._at = end + 2
                if not size:
                    self.part = END
                return data[begin:end]
        return self._body_by_h11(self._hand_over())

    def _body_by_h11(self, parser: h11.Connection) -> bytes | None:
        while True:
            event = _next_event(parser)
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.EndOfMessage):
                self.part = END
                self.trailers = list(event.headers.raw_items())
                return b""
            assert isinstance(event, h11.Data)  # noqa: S101 - a body has nothing else
            if event.data:
                return bytes(event.data)

    # Behind it.

    @property
    def beyond(self) -> bytes:
        """What came behind the answer; after a switch, the beginning of the other protocol."""
        return self._bytes[self._at :] if self._h11 is None else bytes(self._h11.trailing_data[0])

    @property
    def reusable(self) -> bool:
        """Whether the connection may carry another exchange: the answer is over, and nothing came behind it."""
        if self._h11 is not None:
            return self._h11.their_state is h11.DONE and not self._h11.trailing_data[0]
        return self.part == END and self._keeps and self._at == len(self._bytes) and not self._request.closes


def _next_event(parser: h11.Connection) -> Any:
    event = parser.next_event()
    if event is h11.PAUSED:
        raise h11.RemoteProtocolError("the connection has changed protocols")
    return event


def _framing(fields: RawHeaders) -> dict[bytes, bytes] | None:
    """Return the fields that tell where an answer ends and what follows it; None when one is there twice."""
    framing: dict[bytes, bytes] = {}
    for name, value in fields:
        if len(name) in _SIZES and (lowered := name.lower()) in _FRAMING:
            if lowered in framing:
                return None
            framing[lowered] = value
    return framing
