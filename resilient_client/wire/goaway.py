"""Take GOAWAY frames out of an HTTP/2 byte stream before h2 sees them.

h2 closes its state machine on GOAWAY, and with it the streams that the server promised to finish (RFC 9113, section
6.8). Frames have a length in front, so they can be told apart without understanding the others. A length that is not
allowed is refused here: h2 would first wait for the whole frame, or what it takes for one.
"""

from __future__ import annotations

from typing import Final

HEADER: Final = 9
GOAWAY: Final = 0x7
MAX_FRAME: Final = 16 * 1024
"""Bytes of a frame that this side allows, as long as its settings do not say otherwise (RFC 9113, section 4.2)."""


class GoAwayFilter:
    """Passes every byte on except GOAWAY frames, whose last stream it remembers."""

    def __init__(self) -> None:
        self.last_stream: int | None = None
        self._held = b""
        self._passing = 0

    def feed(self, data: bytes) -> bytes:
        """Return what of `data` is for h2; raises `ValueError` for a frame too large and a GOAWAY that is none."""
        if self._passing >= len(data) and not self._held:  # inside a large frame: nothing to look at
            self._passing -= len(data)
            return data
        data = self._held + data
        self._held = b""
        passed: list[bytes] = []
        while data:
            if self._passing:
                passed.append(data[: self._passing])
                data, self._passing = data[self._passing :], self._passing - len(passed[-1])
                continue
            if len(data) < HEADER:
                break
            length = int.from_bytes(data[:3], "big")
            if length > MAX_FRAME:
                raise ValueError(f"a frame of {length} bytes, or something else than HTTP/2")
            if data[3] != GOAWAY:
                self._passing = HEADER + length
                continue
            if length < 8:
                raise ValueError(f"a GOAWAY frame of {length} bytes")
            if len(data) < HEADER + length:
                break
            self._note(int.from_bytes(data[HEADER : HEADER + 4], "big") & 0x7FFFFFFF)
            data = data[HEADER + length :]
        self._held = data
        return b"".join(passed)

    def _note(self, last_stream: int) -> None:
        self.last_stream = last_stream if self.last_stream is None else min(self.last_stream, last_stream)
