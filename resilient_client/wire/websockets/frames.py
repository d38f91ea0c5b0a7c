"""Frames of a WebSocket, with wsproto as the protocol: bytes to messages under a cap, messages to bytes. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PIECE", "Frames", "Heard", "Opcode", "Unacceptable"]

PIECE: Final = 16 * 1024
"""Bytes or characters of a message in one frame. Pings and pongs slip in between the frames of a long one."""


class Heard(NamedTuple):
    """What the peer said: a whole message, or a control frame."""

    kind: Opcode
    content: Any


class Unacceptable(WireError):
    """The peer sent what it must not; `code` is what to close the socket with."""

    def __init__(self, kind: FailureKind, message: str, code: int) -> None:
        super().__init__(kind, message, sent=True)
        self.code = code


class Frames:
    """Both directions of one socket; they share nothing, so that one may receive while another sends.

    `most`: bytes of one message.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._protocol = FrameProtocol(client=True, extensions=[])
        self._parts: list[Any] = []
        self._size = 0

    # What the peer says.

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._protocol.receive_bytes(data)

    def next(self) -> Heard | None:
        """Return what is complete, None when more must come first; raises `Unacceptable`.

        The parts of a message that is not complete are kept: whoever asks next goes on with it.
        """
        try:
            for frame in self._protocol.received_frames():
                if frame.opcode.iscontrol():
                    return Heard(frame.opcode, frame.payload)
                self._keep(frame.payload)
                if frame.message_finished:
                    return Heard(frame.opcode, self._whole(frame.opcode))
        except ParseFailed as problem:
            raise Unacceptable(FailureKind.PROTOCOL, f"the server sent a bad frame: {problem}", problem.code) from None
        return None

    def _keep(self, part: Any) -> None:
        self._size += len(part if not isinstance(part, str) or part.isascii() else part.encode())
        if self._size > self._most:
            why = f"a message is larger than {self._most} bytes"
            raise Unacceptable(FailureKind.TOO_LARGE, why, CloseReason.MESSAGE_TOO_BIG)
        if part:
            self._parts.append(part)

    def _whole(self, kind: Opcode) -> str | bytes:
        parts, self._parts, self._size = self._parts, [], 0
        return "".join(parts) if kind is Opcode.TEXT else b"".join(parts)

    # What we say.

    def message(self, content: str | bytes) -> Iterator[bytes]:
        """Yield the frames of a message, all of which must go out in this order, with no other message between."""
        last = max(0, len(content) - 1) // PIECE * PIECE
        for start in range(0, last + 1, PIECE):
            yield bytes(self._protocol.send_data(content[start : start + PIECE], fin=start == last))

    def ping(self) -> bytes:
        """Return a ping."""
        return bytes(self._protocol.ping())

    def pong(self, payload: bytes) -> bytes:
        """Return the answer to a ping."""
        return bytes(self._protocol.pong(payload))

    def close(self, code: int, reason: str = "") -> bytes:
        """Return the frame that ends our side; one without a code is answered without one."""
        return bytes(self._protocol.close(None if code == CloseReason.NO_STATUS_RCVD else code, reason))
