"""A client whose only permit is taken, by a stream that another caller reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faults.scenes import Scene, in_memory

from resilient_client import AsyncClient
from resilient_client.testing import steps


class Reader:
    """Opens a stream with a client, and keeps it until told otherwise."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._caller: Any = None
        self._block: Any = None

    def begin(self, caller: Any) -> None:
        """Open it."""
        self._caller, self._block = caller, caller.client.stream("GET", self._url)
        if isinstance(caller.client, AsyncClient):
            caller.world.finish(self._block.__aenter__())
        else:
            self._block.__enter__()

    def end(self) -> None:
        """Let go of it."""
        if isinstance(self._caller.client, AsyncClient):
            self._caller.world.finish(self._block.__aexit__(None, None, None))
        else:
            self._block.__exit__(None, None, None)


@in_memory
@contextmanager
def permit_taken(world: Any) -> Iterator[Scene]:
    world.on("/fault", steps.text())
    world.on("/held", steps.endless_body(piece=b"x", every=0.01))
    reader = Reader(f"{world.url}/held")
    yield Scene(f"{world.url}/fault", f"{world.url}/text", before=reader.begin, mend=reader.end)
