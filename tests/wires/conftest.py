"""`world` is every wire in turn: a real server, and clients that go over the one wire."""

import other_wires
import pytest


@pytest.fixture(params=other_wires.EVERY, ids=lambda kind: kind.name)
def world(request):
    world = request.param()
    try:
        yield world
    finally:
        world.close()
