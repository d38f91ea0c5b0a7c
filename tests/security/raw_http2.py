"""An HTTP/2 server that sends whatever frames it is told to, over TLS on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hpack import Encoder
from hyperframe.frame import ContinuationFrame, Frame, HeadersFrame, PingFrame, SettingsFrame

from resilient_client.testing.certificates import CERTIFICATES

PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
GOOD = [(":status", "200")]

Answering = Callable[[int], Iterable[bytes]]


@dataclass
class Listening:
    url: str
    pinged: threading.Event
    """Set when a ping was answered: whatever was sent before it was taken in."""


def frames_of(peer: socket.socket) -> Iterator[Frame]:
    buffer = b""
    skipped = False
    while data := peer.recv(65536):
        buffer += data
        if not skipped and len(buffer) >= PREFACE:
            buffer, skipped = buffer[PREFACE:], True
        while skipped and len(buffer) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(buffer[:9]))
            if len(buffer) < 9 + length:
                break
            frame.parse_body(memoryview(buffer[9 : 9 + length]))
            buffer = buffer[9 + length :]
            yield frame


def head(stream: int, fields: Iterable[tuple[str, str]], *, end: bool = False, encoder: Encoder | None = None) -> bytes:
    """A head in as many frames as it takes."""
    block = (encoder or Encoder()).encode(list(fields), huffman=False)
    pieces = [block[at : at + 16_000] for at in range(0, len(block), 16_000)] or [b""]
    frames: list[Frame] = [HeadersFrame(stream, pieces[0], flags=["END_STREAM"] if end else [])]
    frames += [ContinuationFrame(stream, piece) for piece in pieces[1:]]
    frames[-1].flags.add("END_HEADERS")
    return b"".join(frame.serialize() for frame in frames)


def _serve(listener: socket.socket, answer: Answering, settings: dict[int, int], pinged: threading.Event) -> None:
    context = CERTIFICATES.server_context("valid", http2=True, client_certificate=False)
    with contextlib.suppress(OSError):
        while True:
            raw, _ = listener.accept()
            with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as peer:
                peer.sendall(SettingsFrame(settings=settings).serialize())
                for frame in frames_of(peer):
                    if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                        peer.sendall(SettingsFrame(flags=["ACK"]).serialize())
                    if isinstance(frame, PingFrame) and "ACK" in frame.flags:
                        pinged.set()
                    if isinstance(frame, HeadersFrame):
                        for data in answer(frame.stream_id):
                            peer.sendall(data)


@contextlib.contextmanager
def listening(answer: Answering, settings: dict[int, int] | None = None) -> Iterator[Listening]:
    listener, pinged = socket.create_server(("127.0.0.1", 0)), threading.Event()
    thread = threading.Thread(target=_serve, args=(listener, answer, settings or {}, pinged), daemon=True)
    thread.start()
    try:
        yield Listening(f"https://localhost:{listener.getsockname()[1]}", pinged)
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()
