"""The scripted far side in memory: the same script as the paired server's, played in virtual time.

`world = VirtualWorld()` gives clients whose every wait is virtual and a far side that does what `world.script` says. A
scenario of minutes takes milliseconds and gives the same result each time.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from resilient_client.async_client import AsyncClient
from resilient_client.backends.virtual import Flow, VirtualBackend
from resilient_client.client import Client
from resilient_client.exchange import Limits, Url, WireError
from resilient_client.pipeline.kernels import Kernels
from resilient_client.policy import Policy
from resilient_client.result import FailureKind
from resilient_client.testing.defaults import add_defaults
from resilient_client.testing.journal import Journal
from resilient_client.testing.script import Route, Script
from resilient_client.testing.virtual_stream import VirtualStream
from resilient_client.wire.connect import Connector
from resilient_client.wire.guard import check_literal
from resilient_client.wire.httpx_wire import AsyncioHttpxWire
from resilient_client.wire.pool import Pool
from resilient_client.wire.sockets import ChunkSource
from resilient_client.wire.sockets.blocking import BlockingNetwork
from resilient_client.wire.sockets.pieces import AsyncPieces
from resilient_client.wire.tls_settings import TlsSettings
from resilient_client.wire.transports import AsyncioTransport

if TYPE_CHECKING:
    from resilient_client.config.policies import Policies

T = TypeVar("T")


class VirtualNetwork(BlockingNetwork):
    """What the wire asks of a network besides connecting."""

    def iterate(self, chunks: Iterable[bytes] | AsyncIterable[bytes], until: float) -> ChunkSource:
        """Return the pieces of a body of either kind."""
        if isinstance(chunks, AsyncIterable):
            return AsyncPieces(aiter(chunks))  # it waits in virtual time
        return super().iterate(chunks, until)


class VirtualConnector(Connector):
    """Connects to the far side, https included: in memory there is nobody to hide from."""

    def __init__(self, world: VirtualWorld) -> None:
        super().__init__(VirtualNetwork(), TlsSettings())
        self._world = world

    async def open(self, origin: Url, limits: Limits, *, to_switch: bool = False) -> VirtualStream:  # noqa: ARG002 - there is no proxy
        """Return a new connection, after as long as connecting takes."""
        backend = self._world.backend
        if limits.public_only:
            check_literal(origin.host)  # names are public here
        if self._world.connecting_takes:
            connected = backend.now() + self._world.connecting_takes
            until = limits.connecting_until()
            await backend.wait(backend.waker(), min(connected, until))
            if connected >= until:
                kind = limits.expired(FailureKind.CONNECT_TIMEOUT)
                raise WireError(kind, f"no connection to {origin.origin} in time", sent=False)
        if not self._world.accepting:
            raise WireError(FailureKind.CONNECT, f"{origin.origin} refused", sent=False)
        stream = VirtualStream(backend, self._world.script, self._world.journal)
        self._world.streams.add(stream)
        return stream


class VirtualWorld:
    """Virtual time, a scripted far side, and clients that live there. `seed` fixes every random choice.

    `connecting_takes` is how long each new connection takes, in seconds (0).
    """

    url = "http://far.side"

    def __init__(self, seed: int = 0) -> None:
        self.backend = VirtualBackend(seed)
        self.script = Script()
        add_defaults(self.script)
        self.journal = Journal()
        self.connecting_takes = 0.0
        self.accepting = True
        self._kernels: dict[tuple[int, str], Kernels] = {}
        self.streams: weakref.WeakSet[VirtualStream] = weakref.WeakSet()

    def on(self, route: str, *these: Any, **options: Any) -> Route:
        """Script a route; see `Script.on`."""
        return self.script.on(route, *these, **options)

    def client(self, name: str = "far-side", *, policies: Policies | None = None, **options: Any) -> Client:
        """Return a blocking client of this world: its calls run every flow until they have their result.

        With `policies` it is the client that they describe under `name`.
        """
        if policies is not None:
            return policies.client(name, **self._inside({**self._described(policies, name), **options}))
        return Client(name, **self._inside({"base_url": self.url, **options}))

    def async_client(self, name: str = "far-side", *, policies: Policies | None = None, **options: Any) -> AsyncClient:
        """Return an asynchronous client of this world; await it inside `run` or `spawn`."""
        if policies is not None:
            return policies.async_client(name, **self._inside({**self._described(policies, name), **options}))
        return AsyncClient(name, **self._inside({"base_url": self.url, **options}))

    def _described(self, policies: Policies, name: str) -> dict[str, Any]:
        """Return what this world adds to a client of a file: state with its randomness, an address if it has none."""
        fresh = Kernels(policies.policy(name), randomness=self.backend.random)
        kernels = self._kernels.setdefault((id(policies), name), fresh)
        address = {} if "base_url" in policies.dump()["clients"][name] else {"base_url": self.url}
        return {"kernels": kernels, **address}

    def _inside(self, options: dict[str, Any]) -> dict[str, Any]:
        pool = Pool(VirtualConnector(self), clock=self.backend.now)
        chosen = {**options, "backend": self.backend, "wire": AsyncioHttpxWire(AsyncioTransport(pool))}
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
        """Refuse connections, and drop those there are."""
        self.accepting = False
        self.close_idle()

    def up(self) -> None:
        """Accept connections again."""
        self.accepting = True

    def close_idle(self) -> None:
        """Drop the connections there are without the clients noticing before they ask."""
        for stream in sorted(self.streams, key=lambda stream: stream.number):  # a set's own order differs by run
            stream.lose()
