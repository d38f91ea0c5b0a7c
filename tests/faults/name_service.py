"""A name service for one scene: `getaddrinfo` answers for one name as it is told, and for all others as ever."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock

from faults.scenes import Scene

from resilient_client.testing import steps

_numbers: Final = itertools.count(1)

Found = list[tuple[Any, ...]]


def at(*places: tuple[str, int]) -> Found:
    """What `getaddrinfo` returns for these addresses."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]


def fails(code: int, text: str) -> Callable[[int], Found]:
    """A lookup that fails."""

    def answer(_: int) -> Found:
        raise socket.gaierror(code, text)

    return answer


def named(answer: Callable[[int], Found], **scene: Any) -> Any:
    """The scene of a name that `answer(port of the server)` resolves, until it is put right.

    Each has a name of its own: lookups of one name are shared, and one that hung would be joined by the next row.
    """

    @contextmanager
    def playing(world: Any) -> Iterator[Scene]:
        port, host = world.server.port, f"far-side-{next(_numbers)}.example"
        mended = threading.Event()
        system = socket.getaddrinfo

        def getaddrinfo(name: Any, *given: Any, **options: Any) -> Found:
            if name not in {host, host.encode()}:
                return system(name, *given, **options)
            return at(("127.0.0.1", port)) if mended.is_set() else answer(port)

        world.on("/fault", steps.text())
        with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
            url = f"http://{host}:{port}"
            yield Scene(f"{url}/fault", f"{url}/text", **{"mend": mended.set, **scene})

    return playing
