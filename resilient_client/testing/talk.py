"""The far side of a WebSocket: a conversation is a generator that hears, says and waits, and becomes moves.

Frames are made and read by wsproto's other half, so that the client is not judged by its own code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from wsproto.connection import SERVER, Connection
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage

from resilient_client.testing.script import Close, Hear, Raw

if TYPE_CHECKING:
    from collections.abc import Generator

    from resilient_client.testing.script import Move

Conversation: TypeAlias = "Callable[[Talk], Iterator[Move]]"
"""What the far side does once a socket is open; when it ends, the socket is closed with 1000."""


class Over(Exception):
    """The socket is closed: ends a conversation that wants to go on."""


class Talk:
    """One open socket, as its far side uses it: `yield from talk.say("hello")`.

    Pings are answered and a Close is agreed to whenever it hears or waits, and only then. After that the conversation
    ends by itself as soon as it says something or waits. `pongs` counts the pings of
    ours that were answered; `closed_with` is the code that the client closed it with, None until it did.
    """

    def __init__(self, subprotocol: str | None = None) -> None:
        self.subprotocol = subprotocol
        self.pings = 0
        self.pongs = 0
        self.closed_with: int | None = None
        self.over = False
        self._connection = Connection(SERVER)
        self._messages: deque[str | bytes] = deque()
        self._parts: list[Any] = []

    def say(self, message: str | bytes, *, fragments: int = 1) -> Iterator[Move]:
        """Send a message, in so many frames."""
        self._check()
        kind: Any = TextMessage if isinstance(message, str) else BytesMessage
        size = -(-len(message) // fragments)
        for number in range(fragments):
            part, last = message[number * size : (number + 1) * size], number == fragments - 1
            yield Raw(self._connection.send(kind(data=part, message_finished=last)))

    def hear(self, seconds: float = inf) -> Generator[Move, None, str | bytes | None]:
        """Return the next message; None when the socket is closed, or nothing came for `seconds`."""
        while not self._messages and not self.over:
            if not (yield from self._more(seconds)):
                return None
        return self._messages.popleft() if self._messages else None

    def wait(self, seconds: float) -> Iterator[Move]:
        """Say nothing for `seconds`; messages that come meanwhile are kept for `hear`."""
        hear = Hear(seconds)
        while True:
            self._check()
            yield hear
            yield from self._take(hear.data)
            if not hear.data:
                return
            hear = Hear(hear.left)

    def ping(self) -> Iterator[Move]:
        """Send a ping."""
        self._check()
        yield Raw(self._connection.send(Ping(b"?")))

    def close(self, code: int = 1000, reason: str = "") -> Iterator[Move]:
        """Close in order: say so, and wait until the client agrees or leaves."""
        if not self.over:
            yield Raw(self._connection.send(CloseConnection(code=code, reason=reason)))
            while not self.over and (yield from self._more(inf)):
                pass
        yield Close()

    def _check(self) -> None:
        if self.over:
            raise Over

    def _more(self, seconds: float) -> Generator[Move, None, bool]:
        hear = Hear(seconds)
        yield hear
        yield from self._take(hear.data)
        return bool(hear.data)

    def _take(self, data: bytes) -> Iterator[Move]:
        if not data:
            return
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, Message):
                self._parts.append(event.data)
                if event.message_finished:
                    self._messages.append(self._parts[0][:0].join(self._parts))
                    self._parts.clear()
            elif isinstance(event, Ping):
                self.pings += 1
                yield Raw(self._connection.send(event.response()))
            elif isinstance(event, Pong):
                self.pongs += 1
            elif isinstance(event, CloseConnection):
                answer = self.closed_with is None and not self.over and self._agree(event)
                self.closed_with, self.over = int(event.code), True
                if answer:
                    yield Raw(answer)

    def _agree(self, event: CloseConnection) -> bytes:
        """Return the answer to a Close, empty when it is one itself."""
        try:
            return self._connection.send(event.response())
        except Exception:  # noqa: BLE001 - wsproto's way to say that there is nothing to answer
            return b""


def echo(talk: Talk) -> Iterator[Move]:
    """Say what is heard."""
    while (message := (yield from talk.hear())) is not None:
        yield from talk.say(message)
