"""Fixtures: `world` runs a test in all four worlds, `virtual` in memory only, `wire` over real sockets only."""

from __future__ import annotations

import pytest
import worlds


def _world(kind):
    made = kind()
    yield made
    made.close()


@pytest.fixture(params=worlds.EVERY, ids=lambda kind: kind.name)
def world(request):
    yield from _world(request.param)


@pytest.fixture(params=worlds.VIRTUAL, ids=lambda kind: kind.name)
def virtual(request):
    yield from _world(request.param)


@pytest.fixture(params=worlds.WIRE, ids=lambda kind: kind.name)
def wire(request):
    yield from _world(request.param)
