"""The clients there are, known weakly: one that nobody has any more, or that was closed, is not asked."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from resilient_client.base_client import BaseClient

CLIENTS: Final[weakref.WeakSet[BaseClient]] = weakref.WeakSet()


def open_clients() -> Iterator[BaseClient]:
    """Yield every client that is not closed, one for each shared state."""
    seen: set[int] = set()
    for client in list(CLIENTS):
        if not client.closed and id(client.kernels) not in seen:
            seen.add(id(client.kernels))
            yield client
