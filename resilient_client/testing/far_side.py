"""The scripted far side in memory: the same script as the paired server's, played in virtual time.

`world = VirtualWorld()` gives clients whose every wait is virtual and a far side that does what `world.script` says. A
scenario of minutes takes milliseconds and gives the same result each time.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Coroutine, Iterator
from math import inf
from typing import Any, TypeVar

from resilient_client.async_client import AsyncClient
from resilient_client.backends.virtual import Flow, VirtualBackend
from resilient_client.client import Client
from resilient_client.exchange import Answer, Exchanged, Limits, Url, WireError, WireRequest
from resilient_client.headers import Headers
from resilient_client.pipeline import Kernels
from resilient_client.policy import Policy
from resilient_client.result import FailureKind
from resilient_client.testing import steps
from resilient_client.testing.defaults import add_defaults
from resilient_client.testing.journal import Journal, Seen
from resilient_client.testing.script import (
    Close,
    Data,
    End,
    GoAway,
    Head,
    Move,
    Pause,
    Raw,
    Received,
    Reset,
    Route,
    Script,
)

T = TypeVar("T")

KEEPALIVE = 4.0


class Connection:
    """A pretended connection: its number, and whether the far side still has it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True
        self.idle_until = inf


class VirtualWire:
    """Plays a script for the clients of one virtual world."""

    def __init__(self, backend: VirtualBackend, script: Script, journal: Journal) -> None:
        self._backend = backend
        self._script = script
        self._journal = journal
        self._idle: dict[str, list[Connection]] = {}
        self.up = True
        self.connecting_takes = 0.0

    async def send(
        self,
        request: WireRequest,
        limits: Limits,
        *,
        fresh: bool,
        on_hop: Callable[[Exchanged], None],  # noqa: ARG002 - auth flows belong to the wire that knows them
    ) -> Answer:
        """Play the step that the script has for `request`."""
        connection, reused = await self._connect(request.url, limits, fresh=fresh)
        body = await _collect(request)
        if reused and not connection.alive:
            raise WireError(
                FailureKind.RESET, "the connection ended before an answer", sent=True, reused=True, stale=True
            )
        seen, moves = self._receive(request, body, connection)
        play = Play(self, seen, moves, limits, connection, request.url.origin)
        try:
            status, headers = await play.head(reused=reused)
        except BaseException:
            play.abort()
            raise
        return Answer(status, headers, play, reused)

    async def _connect(self, url: Url, limits: Limits, *, fresh: bool) -> tuple[Connection, bool]:
        idle = self._idle.setdefault(url.origin, [])
        while idle and not fresh:
            connection = idle.pop()
            if connection.idle_until >= self._backend.now():
                return connection, True
        if self.connecting_takes:
            await self._pass(self.connecting_takes, limits.connect_until)
            if self._backend.now() >= limits.connect_until:
                raise WireError(limits.expired(FailureKind.CONNECT_TIMEOUT), "no connection in time", sent=False)
        if not self.up:
            raise WireError(FailureKind.CONNECT, "refused", sent=False)
        return Connection(self._journal.connection_opened()), False

    def _receive(self, request: WireRequest, body: bytes, connection: Connection) -> tuple[Seen, Iterator[Move]]:
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers])
        path = request.url.target.partition("?")[0]
        step, number = self._script.choose(request.method, path, connection.number)
        received = Received(
            request.method, request.url.target, headers, body, number, connection.number, size=len(body), chunks=1
        )
        seen = self._journal.request_begun(received, at=self._backend.now())
        return seen, iter((step or steps.status(404))(received))

    async def _pass(self, seconds: float, until: float) -> None:
        """Let `seconds` pass, but not beyond `until`."""
        waker = self._backend.waker()
        await self._backend.wait(waker, min(self._backend.now() + seconds, until))

    async def pause(self, seconds: float, limits: Limits, message: str, *, reused: bool = False) -> None:
        """Let the far side think; raises when the client's patience ends first."""
        if seconds <= 0:
            limits.check(FailureKind.READ_TIMEOUT)
            return
        silent_until = limits.silence_until(limits.read)
        await self._pass(seconds, silent_until)
        if self._backend.now() >= silent_until:
            raise WireError(limits.expired(FailureKind.READ_TIMEOUT), message, sent=True, reused=reused)

    def answered(self, seen: Seen, status: int) -> None:
        """Note the status of an answer."""
        self._journal.answered(seen, status)

    def broken(self, seen: Seen, *, by_client: bool) -> None:
        """Note the end of an exchange that was not a whole one; its connection is gone."""
        self._journal.request_ended(seen, aborted=by_client)

    def whole(self, seen: Seen, connection: Connection, origin: str) -> None:
        """Note the end of a whole exchange and keep its connection if it can be used again."""
        self._journal.request_ended(seen)
        if connection.alive:
            connection.idle_until = self._backend.now() + KEEPALIVE
            self._idle.setdefault(origin, []).append(connection)

    def close_idle(self) -> None:
        """Have the far side hang up on idle connections, as a server does that the client has not noticed yet."""
        for connections in self._idle.values():
            for connection in connections:
                connection.alive = False

    async def close(self) -> None:
        """Forget the connections."""
        self._idle.clear()


class Play:
    """One step being played; it is also the body of its answer."""

    def __init__(
        self, wire: VirtualWire, seen: Seen, moves: Iterator[Move], limits: Limits, connection: Connection, origin: str
    ) -> None:
        self._wire = wire
        self._seen = seen
        self._moves = moves
        self._limits = limits
        self._connection = connection
        self._origin = origin
        self._promised: int | None = None
        self._hung_up = False
        self._came = 0
        self._over = False

    def _next(self) -> Move:
        return next(self._moves, Close())

    async def head(self, *, reused: bool) -> tuple[int, Headers]:
        """Play to the head of the answer."""
        while True:
            move = self._next()
            if isinstance(move, Pause):
                await self._wire.pause(move.seconds, self._limits, "the far side was silent", reused=reused)
            elif isinstance(move, Head):
                self._wire.answered(self._seen, move.status)
                headers = Headers(move.headers)
                length = headers.get("content-length")
                self._promised = int(length) if length is not None and length.isdigit() else None
                return move.status, headers
            elif isinstance(move, (Close, Reset, GoAway)):
                self._hung_up = True
                raise WireError(
                    FailureKind.RESET, "the connection ended before an answer", sent=True, reused=reused, stale=reused
                )
            elif isinstance(move, Raw):
                raise WireError(FailureKind.PROTOCOL, "the answer is not HTTP", sent=True, reused=reused)

    async def read(self) -> bytes:
        """Play to the next piece of the body."""
        while not self._over:
            move = self._next()
            if isinstance(move, Pause):
                await self._wire.pause(move.seconds, self._limits, "the far side was silent")
            elif isinstance(move, Data):
                self._limits.check(FailureKind.READ_TIMEOUT)
                self._came += len(move.content)
                if move.content:
                    return move.content
            elif isinstance(move, End) and self._promised in {None, self._came}:
                self._end()
            else:
                self._hung_up = True
                self.abort()
                raise WireError(FailureKind.TRUNCATED, "the connection ended inside the body", sent=True)
        return b""

    def _end(self) -> None:
        self._over = True
        if isinstance(next(self._moves, None), (Close, Reset, GoAway)):
            self._connection.alive = False
        self._wire.whole(self._seen, self._connection, self._origin)

    def abort(self) -> None:
        """Let go of the exchange; its connection is closed."""
        if not self._over:
            self._over = True
            self._wire.broken(self._seen, by_client=not self._hung_up)


async def _collect(request: WireRequest) -> bytes:
    chunks = request.body.chunks()
    if isinstance(chunks, AsyncIterable):
        return b"".join([chunk async for chunk in chunks])
    return b"".join(chunks)


class VirtualWorld:
    """Virtual time, a scripted far side, and clients that live there. `seed` fixes every random choice."""

    url = "http://far.side"

    def __init__(self, seed: int = 0) -> None:
        self.backend = VirtualBackend(seed)
        self.script = Script()
        add_defaults(self.script)
        self.journal = Journal()
        self.wire = VirtualWire(self.backend, self.script, self.journal)

    def on(self, route: str, *these: Any, **options: Any) -> Route:
        """Script a route; see `Script.on`."""
        return self.script.on(route, *these, **options)

    def client(self, name: str = "far-side", **options: Any) -> Client:
        """Return a blocking client of this world: its calls run every flow until they have their result."""
        return Client(name, backend=self.backend, wire=self.wire, **self._with_kernels(options))

    def async_client(self, name: str = "far-side", **options: Any) -> AsyncClient:
        """Return an asynchronous client of this world; await it inside `run` or `spawn`."""
        return AsyncClient(name, backend=self.backend, wire=self.wire, **self._with_kernels(options))

    def _with_kernels(self, options: dict[str, Any]) -> dict[str, Any]:
        chosen = {"base_url": self.url, **options}
        if chosen.get("kernels") is None:
            chosen["kernels"] = Kernels(chosen.get("policy") or Policy(), randomness=self.backend.random)
        return chosen

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in virtual time to its end."""
        return self.backend.run(coroutine)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Flow[T]:
        """Start a coroutine beside the others."""
        return self.backend.spawn(coroutine)

    async def gather(self, *coroutines: Coroutine[Any, Any, T]) -> list[T]:
        """Run coroutines side by side and return their results in order."""
        flows = [self.spawn(coroutine) for coroutine in coroutines]
        return [await flow for flow in flows]

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass for the flow that awaits it."""
        await self.backend.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Let virtual time pass for everyone."""
        self.backend.advance(seconds)

    @property
    def now(self) -> float:
        """The virtual time in seconds."""
        return self.backend.now()

    def down(self) -> None:
        """Refuse connections, and hang up on those there are."""
        self.wire.up = False
        self.wire.close_idle()

    def up(self) -> None:
        """Accept connections again."""
        self.wire.up = True

    def close_idle(self) -> None:
        """Hang up on idle connections without the client noticing."""
        self.wire.close_idle()
