"""The change from HTTP to a WebSocket: what a request asks for, and what is open when the server agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resilient_client import ambient
from resilient_client.wire.websockets.duplex import Duplex
from resilient_client.wire.websockets.frames import Frames
from resilient_client.wire.websockets.handshake import OWN_FIELDS, WebSocketHandshake
from resilient_client.wire.websockets.live_socket import LiveSocket
from resilient_client.wire.websockets.silence import Silence

if TYPE_CHECKING:
    from resilient_client.backends import Backend
    from resilient_client.exchange import Answer, Limits, Outcome
    from resilient_client.pipeline.call import Call
    from resilient_client.socket_options import SocketSettings


class ToWebSocket:
    """The wish for a WebSocket; the settings hold once it is open, on the time of `backend`."""

    name = "WebSocket"

    def __init__(self, settings: SocketSettings, most: int, backend: Backend) -> None:
        self._settings = settings
        self._most = most
        self._backend = backend

    def handshake(self) -> WebSocketHandshake:
        """Return a new handshake."""
        return WebSocketHandshake(self._settings.subprotocols)

    def open(self, outcome: Outcome, answer: Answer, limits: Limits) -> LiveSocket:
        """Return the open socket. Of the call's times only an ambient deadline goes on; `write` bounds each silence."""
        settings, now = self._settings, limits.clock()
        return LiveSocket(
            outcome,
            answer.body,
            Duplex(answer.switched),
            Frames(self._most),
            Silence(settings.ping_every, settings.pong_within, now),
            self._backend,
            until=now + ambient.left(),
            write=limits.write,
        )


def ask_for_websocket(call: Call, settings: SocketSettings, backend: Backend) -> None:
    """Make `call` the handshake of a WebSocket; raises `ValueError` for header fields that would contradict it."""
    for name, _ in call.request.headers:
        if name.decode("ascii").lower() in OWN_FIELDS:
            instead = "use subprotocols=[...]" if name.lower().endswith(b"protocol") else "leave it out"
            raise ValueError(f"headers[{name.decode('ascii')!r}]: that belongs to the WebSocket handshake; {instead}")
    most = settings.max_message or call.policy.max_body
    call.request.upgrade = ToWebSocket(settings, most, backend)
    call.expect = frozenset((101,))
