"""The opening handshake of a WebSocket, from the client's side (RFC 6455, section 4.1)."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Final

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resilient_client.exchange import RawHeaders

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

OWN_FIELDS: Final = frozenset(
    (
        *("connection", "upgrade", "sec-websocket-key", "sec-websocket-version"),
        *("sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-accept"),
    )
)
"""Header fields that belong to the handshake."""


def accept_of(key: bytes) -> bytes:
    """Return what a server answers to `key`, to prove that it knows what is meant."""
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


def _wrong(why: str) -> WireError:
    return WireError(FailureKind.PROTOCOL, f"the answer to the WebSocket handshake is wrong: {why}", sent=True)


class WebSocketHandshake:
    """The handshake on one connection. No extension is offered, so that none may be in the answer."""

    def __init__(self, subprotocols: Sequence[str]) -> None:
        self._offered = [name.encode("ascii") for name in subprotocols]
        self._key = base64.b64encode(os.urandom(16))
        self.fields: RawHeaders = [
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", self._key),
            (b"Sec-WebSocket-Version", b"13"),
        ]
        if subprotocols:
            self.fields.append((b"Sec-WebSocket-Protocol", b", ".join(self._offered)))

    def check(self, headers: RawHeaders) -> None:
        """Raise `WireError` unless the header fields of a 101 open the WebSocket that was asked for."""

        def listed(name: bytes) -> list[bytes]:
            values = [value for field, value in headers if field.lower() == name]
            return [part.strip() for value in values for part in value.split(b",")]

        if [value.lower() for value in listed(b"upgrade")] != [b"websocket"]:
            raise _wrong("it does not upgrade to websocket")
        if b"upgrade" not in [value.lower() for value in listed(b"connection")]:
            raise _wrong("its Connection field does not say Upgrade")
        if listed(b"sec-websocket-accept") != [accept_of(self._key)]:
            raise _wrong("its Sec-WebSocket-Accept does not fit the key, as of an answer to somebody else")
        if listed(b"sec-websocket-extensions"):
            raise _wrong("it has an extension, and none was offered")
        chosen = listed(b"sec-websocket-protocol")
        if len(chosen) > 1 or not set(chosen) <= set(self._offered):
            raise _wrong(f"it chose the subprotocol {b', '.join(chosen).decode('latin-1')!r}, which was not offered")
