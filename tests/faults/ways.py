"""The ways a call can go: which facade, over which wire. Another wire is one more line here.

A way is a name and a world of `tests/worlds.py`, which makes the clients. Another wire is a subclass of `WireBlocking`
or `WireAsync` whose `_make` makes its clients; it meets the same rows but for those in `cannot`, each with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import other_wires
import worlds
from faults import honours
from faults.fault import Fault


@dataclass(frozen=True)
class Way:
    """One way. `http2`: it can be asked for HTTP/2.

    `cannot`: names of rows that it does not honour, and why. `instead`: what is expected of a row in place of what the
    row says.
    """

    name: str
    world: type[Any]
    http2: bool = False
    cannot: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def as_met(self, fault: Fault) -> Fault:
        """The row with what is expected of it on this way."""
        changes = self.instead.get(fault.name)
        return fault if changes is None else replace(fault, expected=replace(fault.expected, **changes))

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
    Way("httpx2", other_wires.OnHttpx2, cannot=honours.HTTPX2, instead=honours.HTTPX2_INSTEAD),
    Way("httpx2, asyncio", other_wires.OnHttpx2Async, cannot=honours.HTTPX2_ASYNC, instead=honours.HTTPX2_INSTEAD),
    Way("aiohttp", other_wires.OnAiohttp, cannot=honours.AIOHTTP, instead=honours.AIOHTTP_INSTEAD),
    Way("pyreqwest", other_wires.OnPyreqwest, cannot=honours.PYREQWEST, instead=honours.PYREQWEST_INSTEAD),
    Way(
        "pyreqwest, asyncio",
        other_wires.OnPyreqwestAsync,
        cannot=honours.PYREQWEST_ASYNC,
        instead=honours.PYREQWEST_INSTEAD,
    ),
)
IN_MEMORY = (
    Way("blocking, in memory", worlds.InMemoryBlocking),
    Way("asyncio, in memory", worlds.InMemoryAsync),
)
