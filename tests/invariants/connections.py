"""Who has each connection that was ever opened: an exchange, the free list, or nobody any more."""

from __future__ import annotations

from typing import Any

from resilient_client.wire.http1 import NO_ANSWER


class Connections:
    """Watches the pool of one client of a virtual world."""

    def __init__(self, client: Any) -> None:
        self.pool = client._wire._transport._pool
        self.open: list[Any] = []
        self.connecting = 0
        self._really_open = self.pool._connector.open
        self.pool._connector.open = self._watched

    async def _watched(self, *args: Any) -> Any:
        self.connecting += 1
        try:
            stream = await self._really_open(*args)
        finally:
            self.connecting -= 1
        self.open.append(stream)
        stream.abort = self._noting(stream, stream.abort)
        return stream

    def _noting(self, stream: Any, abort: Any) -> Any:
        def noted() -> None:
            if stream in self.open:
                self.open.remove(stream)
            abort()

        return noted

    @property
    def idle(self) -> list[Any]:
        return [connection for kept in self.pool._idle.values() for connection in kept]

    def check(self, exchanges: int) -> None:
        """Every open connection is idle or used by one of the `exchanges` that are under way; the idle ones are fit."""
        idle = [connection.stream for connection in self.idle]
        assert len({id(stream) for stream in idle}) == len(idle), "a connection is kept twice"
        assert all(stream in self.open for stream in idle), "a connection that was closed is kept"
        assert len(self.open) - len(idle) + self.connecting == exchanges, "a connection has no owner, or two"
        for connection in self.idle:
            assert connection.answer is NO_ANSWER, "a connection is kept in the middle of an exchange"
            assert connection.requests > 0
