"""The ways a call can go: which facade, over which wire. Another wire is one more line here.

A way is a name and a world of `tests/worlds.py`, which makes the clients. Another wire is a subclass of `WireBlocking`
or `WireAsync` whose `_make` makes its clients; it meets the same rows but for those in `cannot`, each with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import other_wires
import worlds
from faults.fault import Fault


@dataclass(frozen=True)
class Way:
    """One way. `http2`: it can be asked for HTTP/2. `cannot`: names of rows that it does not honour, and why."""

    name: str
    world: type[Any]
    http2: bool = False
    cannot: Mapping[str, str] = field(default_factory=dict)

    @property
    def virtual(self) -> bool:
        """Whether its time is virtual."""
        return bool(self.world.virtual)

    @property
    def facade(self) -> str:
        """Which client it is of: "blocking" or "asyncio"."""
        return "asyncio" if issubclass(self.world, (worlds.WireAsync, worlds.InMemoryAsync)) else "blocking"

    def meets(self, fault: Fault) -> bool:
        """Whether the row is met on this way."""
        if fault.name in self.cannot or not (fault.in_memory if self.virtual else fault.on_the_wire):
            return False
        return fault.facade in {None, self.facade} and (self.http2 or not fault.http2)


WIRES = (
    Way("blocking", worlds.WireBlocking),
    Way("asyncio", worlds.WireAsync, http2=True),
)
OTHER_WIRES = (
    Way("httpx2", other_wires.OnHttpx2),
    Way("httpx2, asyncio", other_wires.OnHttpx2Async),
    Way("aiohttp", other_wires.OnAiohttp),
    Way("pyreqwest", other_wires.OnPyreqwest),
    Way("pyreqwest, asyncio", other_wires.OnPyreqwestAsync),
)
IN_MEMORY = (
    Way("blocking, in memory", worlds.InMemoryBlocking),
    Way("asyncio, in memory", worlds.InMemoryAsync),
)
