"""The bytes of HTTP/1.1 answers: head, framing and body made from moves, without I/O.

A head that names no framing is held back with its data. When the end comes before anything makes it move, the whole
body is known and gets a Content-Length; a pause or a broken ending settles it as chunked.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resilient_client.testing.script import Head

Framing = Literal["none", "length", "chunked"]

# A body held back longer than this is chunked, so that an endless one costs no memory.
HELD: Final = 1024 * 1024

BODYLESS: Final = frozenset((204, 304))


def _named_framing(fields: Iterable[tuple[str, str]]) -> Framing:
    names = {name.lower(): value.lower() for name, value in fields}
    if names.get("transfer-encoding", "").endswith("chunked"):
        return "chunked"
    return "length" if "content-length" in names or "transfer-encoding" in names else "none"


def _closes(fields: Iterable[tuple[str, str]]) -> bool:
    return any(name.lower() == "connection" and "close" in value.lower() for name, value in fields)


def _head_bytes(status: int, fields: Iterable[tuple[str, str]]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    lines = [f"HTTP/1.1 {status:03d} {phrase}", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


class Http1Answer:
    """Collects the bytes of the answer to one request: `take()` hands over those that may be sent.

    `last` is True when the connection closes after the answer, `bodyless` when its data is dropped. An HTTP/1.0 client
    (`old`) knows no chunks: where others get them it gets a body that ends with the connection.
    """

    def __init__(self, method: str, *, last: bool, old: bool = False) -> None:
        self.last = last
        self._head_only = method == "HEAD"
        self._old = old
        self._ready = bytearray()
        self._held: Head | None = None
        self._held_body = bytearray()
        self._framing: Framing = "none"
        self.bodyless = False

    @property
    def ready(self) -> int:
        """How many bytes may be sent."""
        return len(self._ready)

    def take(self, most: int | None = None) -> bytes:
        """Hand over what may be sent, at most `most` bytes of it."""
        data = bytes(self._ready[:most])
        del self._ready[:most]
        return data

    def head(self, head: Head) -> None:
        """Begin an answer; a 1xx is complete in itself."""
        self.settle()
        if head.status in range(100, 200):
            self._ready += _head_bytes(head.status, head.headers)
            return
        self.last = self.last or _closes(head.headers)
        self.bodyless = self._head_only or head.status in BODYLESS
        self._framing = _named_framing(head.headers)
        if self._framing == "none" and head.status not in BODYLESS:
            self._held = head
        else:
            self._start(head)

    def data(self, content: bytes) -> None:
        """Add a piece of the body."""
        if self._held is not None and len(self._held_body) < HELD:
            self._held_body += content
            return
        self.settle()
        if content and not self.bodyless:
            self._ready += _chunk(content) if self._framing == "chunked" else content

    def raw(self, content: bytes) -> None:
        """Add bytes outside any framing."""
        self.settle()
        self._ready += content

    def settle(self) -> None:
        """Hold nothing back any longer: what is known of the answer may be sent."""
        if self._held is None:
            return
        head, body = self._held, bytes(self._held_body)
        self._held = None
        self._held_body.clear()
        if self._old:
            self.last = True
            self._start(head)
        else:
            self._framing = "chunked"
            self._start(head, ("Transfer-Encoding", "chunked"))
        self.data(body)

    def end(self) -> None:
        """End the answer as its framing does."""
        if self._held is not None:
            head, body = self._held, bytes(self._held_body)
            self._held = None
            self._held_body.clear()
            self._start(head, ("Content-Length", str(len(body))))
            self.data(body)
        elif self._framing == "chunked" and not self.bodyless:
            self._ready += b"0\r\n\r\n"
        self._framing = "none"

    def _start(self, head: Head, *added: tuple[str, str]) -> None:
        closing = [("Connection", "close")] if self.last and not _closes(head.headers) else []
        self._ready += _head_bytes(head.status, [*head.headers, *added, *closing])
