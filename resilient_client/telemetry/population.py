"""The clients there are, known weakly: one that nobody has any more, or that was closed, is not asked."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from resilient_client.base_client import BaseClient

CLIENTS: Final[weakref.WeakSet[BaseClient]] = weakref.WeakSet()

_lock: Final = threading.Lock()


def add(client: BaseClient) -> None:
    """Take note of a client."""
    with _lock:
        CLIENTS.add(client)


def everyone() -> list[BaseClient]:
    """Return the clients there are; a client that goes meanwhile does not disturb, only one that comes would."""
    with _lock:
        return list(CLIENTS)


def open_clients() -> Iterator[BaseClient]:
    """Yield every client that is not closed, one for each shared state."""
    seen: set[int] = set()
    for client in everyone():
        if not client.closed and id(client.kernels) not in seen:
            seen.add(id(client.kernels))
            yield client
