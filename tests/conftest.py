"""Fixtures: `world` runs a test in all four worlds, `virtual` in memory only, `wire` over real sockets only."""

from __future__ import annotations

import signal

import pytest
import worlds
from hypothesis import HealthCheck, settings

from resilient_client.telemetry.population import open_clients

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job, whose children would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes tells how busy the machine is, and no more. The examples of a property are the same in every
# run, so that what one finds is not somebody else's failure; `pytest --hypothesis-profile=exploring` draws new ones.
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("exploring"), derandomize=True)
settings.load_profile("repeatable")


def pytest_collection_finish():
    """Refuse a module that opens a client when it is imported: it would be seen by every test about open clients."""
    opened = sorted(client.name for client in open_clients())
    if opened:
        raise pytest.UsageError(f"importing the tests has opened clients: {', '.join(opened)}")


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
