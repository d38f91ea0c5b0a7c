"""Fixtures of the peers: a way to call, and an origin behind them that counts."""

from __future__ import annotations

import pytest
from peers.ways import WAYS, Tasks, Threads

from resilient_client.testing import FaultServer


def _made(kind):
    way = kind()
    yield way
    way.close()


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request):
    """Threads, then tasks."""
    yield from _made(request.param)


@pytest.fixture
def threads():
    """Threads only."""
    yield from _made(Threads)


@pytest.fixture
def tasks():
    """Tasks only, for HTTP/2."""
    yield from _made(Tasks)


@pytest.fixture(scope="module")
def far_side():
    """What stands behind a peer, for all tests of a file."""
    with FaultServer() as server:
        yield server


@pytest.fixture
def origin(far_side):
    """The same, with an empty journal."""
    far_side.journal.clear()
    return far_side
