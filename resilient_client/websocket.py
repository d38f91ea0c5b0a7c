"""What `client.websocket()` gives: an open socket, for threads and for tasks."""

# ruff: noqa: ASYNC109 - one signature for both; unlike asyncio.timeout(), timeout= knows the backend's clock

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from resilient_client import decoding
from resilient_client.errors import CallFailed, StreamClosed
from resilient_client.exchange import WireError
from resilient_client.opened import Opened
from resilient_client.wire.encoding import dump_json

if TYPE_CHECKING:
    from resilient_client.wire.websockets.live_socket import LiveSocket

T = TypeVar("T")

Message: TypeAlias = str | bytes


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class _Socket(Opened):
    """An open WebSocket: what is the same for threads and tasks."""

    live: LiveSocket | None = field(default=None, repr=False, compare=False)

    @property
    def subprotocol(self) -> str | None:
        """The one of `subprotocols=` that the server chose."""
        return self.headers.get("sec-websocket-protocol")

    @property
    def close_code(self) -> int | None:
        """The code that the server closed the socket with; None until it did."""
        return self._socket.close_code

    @property
    def close_reason(self) -> str:
        """What the server said when it closed the socket, else empty."""
        return self._socket.close_reason

    @property
    def _socket(self) -> LiveSocket:
        assert self.live is not None  # noqa: S101 - a success of websocket() has one
        return self.live

    async def _told(self, asked: Coroutine[Any, Any, T]) -> T:
        """Return what `asked` gives; raises `CallFailed` for whatever the network does."""
        try:
            return await asked
        except WireError as error:
            assert self.failed is not None  # noqa: S101 - given together with the socket
            failure = self.failed(self._socket.ended or self._socket.ended_by(error))
        raise CallFailed(failure) from failure.cause

    async def _send(self, message: Message) -> None:
        await self._told(self._socket.send(_checked_message(message)))

    async def _receive(self, timeout: float | None) -> Message:
        message = await self._told(self._socket.receive(_checked_timeout(timeout)))
        if message is None:
            code = "" if self.close_code is None else f" with {self.close_code}"
            raise StreamClosed(f"there is no more: the WebSocket was closed{code}")
        return message

    async def _next(self) -> Message | None:
        return await self._told(self._socket.receive())

    async def _receive_json(self, decode: type[Any] | None, timeout: float | None) -> Any:
        decoder = decoding.parse_json if decode is None else decoding.decoder(decode)
        message = await self._receive(timeout)
        try:
            return decoder(message.encode() if isinstance(message, str) else message)
        except decoding.Undecodable as problem:
            raise CallFailed(self.undecodable(problem)) from problem

    async def _close(self, code: int, reason: str) -> None:
        _check_close(code, reason)
        await self._socket.shut(code, reason)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class WebSocket(_Socket):
    """An open WebSocket of `Client.websocket()`: a `Success` (101) to use inside the `with`.

    One thread may receive while others send. What the network does raises `CallFailed`; a socket that is closed raises
    `StreamClosed`, or ends the iteration: `for message in socket:`.
    """

    run: Callable[[Coroutine[Any, Any, Any]], Any] | None = field(default=None, repr=False, compare=False)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        assert self.run is not None  # noqa: S101 - the client gives it
        value: T = self.run(coroutine)
        return value

    def send(self, message: Message) -> None:
        """Send a text (str) or binary (bytes) message; returns when the kernel has all of it."""
        self._run(self._send(message))

    def send_json(self, value: Any) -> None:
        """Send `value` as JSON text; it may be what `json=` of a verb may be."""
        self.send(dump_json(value).decode())

    def receive(self, timeout: float | None = None) -> Message:
        """Return the next message: str or bytes, as the server sent it.

        Raises `TimeoutError` when none came within `timeout` seconds, and the socket stays usable; None waits as long
        as the server shows signs of life.
        """
        return self._run(self._receive(timeout))

    @overload
    def receive_json(self, *, decode: type[T], timeout: float | None = None) -> T: ...
    @overload
    def receive_json(self, *, decode: None = None, timeout: float | None = None) -> Any: ...
    def receive_json(self, *, decode: type[Any] | None = None, timeout: float | None = None) -> Any:
        """Return the next message parsed as JSON, as a `decode` if given; raises `CallFailed` (`decode`) if it is none.

        The socket stays usable after that.
        """
        return self._run(self._receive_json(decode, timeout))

    def __iter__(self) -> Iterator[Message]:
        while (message := self._run(self._next())) is not None:
            yield message

    def ping(self) -> None:
        """Send a ping; the answer counts as a sign of life, and is not given to anybody."""
        self._run(self._told(self._socket.ping()))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket in order, waiting at most a second for the server to agree; leaving the block does so."""
        self._run(self._close(code, reason))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AsyncWebSocket(_Socket):
    """An open WebSocket of `AsyncClient.websocket()`: a `Success` (101) to use inside the `async with`.

    One task may receive while others send; cancelling either loses nothing. What the network does raises `CallFailed`;
    a socket that is closed raises `StreamClosed`, or ends the iteration: `async for message in socket:`.
    """

    async def send(self, message: Message) -> None:
        """Send a text (str) or binary (bytes) message; returns when the kernel has all of it."""
        await self._send(message)

    async def send_json(self, value: Any) -> None:
        """Send `value` as JSON text; it may be what `json=` of a verb may be."""
        await self._send(dump_json(value).decode())

    async def receive(self, timeout: float | None = None) -> Message:
        """Return the next message: str or bytes, as the server sent it.

        Raises `TimeoutError` when none came within `timeout` seconds, and the socket stays usable; None waits as long
        as the server shows signs of life.
        """
        return await self._receive(timeout)

    @overload
    async def receive_json(self, *, decode: type[T], timeout: float | None = None) -> T: ...
    @overload
    async def receive_json(self, *, decode: None = None, timeout: float | None = None) -> Any: ...
    async def receive_json(self, *, decode: type[Any] | None = None, timeout: float | None = None) -> Any:
        """Return the next message parsed as JSON, as a `decode` if given; raises `CallFailed` (`decode`) if it is none.

        The socket stays usable after that.
        """
        return await self._receive_json(decode, timeout)

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self._next()) is not None:
            yield message

    async def ping(self) -> None:
        """Send a ping; the answer counts as a sign of life, and is not given to anybody."""
        await self._told(self._socket.ping())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket in order, waiting at most a second for the server to agree; leaving the block does so."""
        await self._close(code, reason)


def _checked_message(message: Any) -> Message:
    if isinstance(message, str):
        if not message.isascii():
            message.encode()  # raises UnicodeEncodeError, a ValueError, before anything is sent
        return message
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    raise TypeError(f"send({type(message).__name__}): a message is str or bytes; send_json() takes other values")


def _checked_timeout(timeout: Any) -> float:
    if timeout is None:
        return inf
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise ValueError(f"timeout={timeout!r}: give seconds of at least 0, or None")
    return timeout


def _check_close(code: Any, reason: Any) -> None:
    known = isinstance(code, int) and not isinstance(code, bool)
    if not known or not (code in {1000, 1001, 1002, 1003, *range(1007, 1015)} or 3000 <= code <= 4999):
        raise ValueError(f"close(code={code!r}): give 1000 (done), 1001 (going away), or one of your own, 3000 to 4999")
    if not isinstance(reason, str) or len(reason.encode()) > 123:
        raise ValueError(f"close(reason={reason!r}): give a str of at most 123 bytes")
