"""A request as HTTP/1.1 writes it: its head, its pieces in their framing, its end.

What is ordinary is put together here; a head that is not is h11's to write, or to refuse.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import h11

if TYPE_CHECKING:
    from resilient_client.exchange import RawHeaders

TOKEN: Final = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
TARGET: Final = re.compile(rb"[\x21-\x7e]+")

VISIBLE: Final = bytes(sorted({0x09, *range(0x20, 0x7F), *range(0x80, 0x100)}))
"""What may stand in a line. Taken out of a head, the ends of its lines are all that is left."""

LENGTH, CODING, HOST, CONNECTION, OTHER, NONE = range(6)
"""What a field says about its message, by its name; NONE: that is no name."""

_ROLES: Final = {b"content-length": LENGTH, b"transfer-encoding": CODING, b"host": HOST, b"connection": CONNECTION}


@lru_cache(maxsize=1024)
def role(name: bytes) -> int:
    """Return what a field of this name says about its message."""
    return _ROLES.get(name.lower(), OTHER) if TOKEN.fullmatch(name) else NONE


class OutgoingRequest:
    """One request on its way to bytes. Raises `h11.LocalProtocolError` for what is not HTTP/1.1."""

    __slots__ = ("_left", "about", "fields", "head", "method", "whole")

    def __init__(self, method: bytes, target: bytes, fields: RawHeaders) -> None:
        self.method = method
        self.fields = fields
        self.whole = False
        """Whether all of it was sent; who sends it says so."""
        self._left: int | None = 0
        """Bytes its body still has; None for chunks, whose end tells itself."""
        self.about: RawHeaders = []
        """The fields that are about the connection, not about this request."""
        self.head = self._ordinary(target) or self._by_h11(target)

    def _ordinary(self, target: bytes) -> bytes | None:
        """Return the head; None when there is something about it that is not plainly right."""
        fields = self.fields
        roles = [role(name) for name, _ in fields]
        if CONNECTION in roles:
            self.about = [field for field in fields if field[0].lower() in {b"connection", b"upgrade"}]
        if NONE in roles or roles[:1] != [HOST] or roles.count(HOST) != 1:
            return None
        if not TOKEN.fullmatch(self.method) or not TARGET.fullmatch(target):
            return None
        if CODING in roles:
            if LENGTH in roles or roles.count(CODING) != 1 or fields[roles.index(CODING)][1] != b"chunked":
                return None
            self._left = None
        elif LENGTH in roles:
            value = fields[roles.index(LENGTH)][1]
            if roles.count(LENGTH) != 1 or not value.isdigit() or len(value) > 20:
                return None
            self._left = int(value)
        lines = [b"%b: %b\r\n" % field for field in fields]
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (self.method, target, b"".join(lines))
        if head.translate(None, VISIBLE) != b"\r\n" * (len(lines) + 2):
            return None
        blank_at_an_end = b":  " in head or b": \t" in head or b" \r" in head or b"\t\r" in head
        return None if blank_at_an_end else head

    def _by_h11(self, target: bytes) -> bytes:
        request = h11.Request(method=self.method, target=target, headers=self.fields)
        framing = dict(request.headers)
        self._left = None if b"transfer-encoding" in framing else int(framing.get(b"content-length", b"0"))
        return h11.Connection(h11.CLIENT).send(request) or b""

    def piece(self, data: bytes) -> bytes:
        """Return the next piece of the body as it is sent."""
        if self._left is None:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        self._left -= len(data)
        if self._left < 0:
            raise h11.LocalProtocolError("Too much data for declared Content-Length")
        return data

    def end(self) -> bytes:
        """Return what is sent behind the last piece."""
        if self._left:
            raise h11.LocalProtocolError("Too little data for declared Content-Length")
        return b"0\r\n\r\n" if self._left is None else b""

    @property
    def closes(self) -> bool:
        """Whether it asks for the connection to be closed behind the answer."""
        return bool(self.about) and any(b"close" in value.lower() for _, value in self.about)
