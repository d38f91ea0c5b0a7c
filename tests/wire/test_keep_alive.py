"""A server that says for how long it keeps connections is taken at its word."""

import asyncio
from math import inf

import pytest

from resilient_client import AsyncClient, Client, Policy
from resilient_client.testing import FaultServer
from resilient_client.testing.steps import status
from resilient_client.wire.keep_alive import kept_for

ONCE = Policy(retry=None)


def twice_blocking(url):
    with Client("kept", base_url=url, policy=ONCE) as client:
        return [client.post("/") for _ in range(2)]


def twice_async(url):
    async def go():
        async with AsyncClient("kept", base_url=url, policy=ONCE) as client:
            return [await client.post("/") for _ in range(2)]

    return asyncio.run(go())


both = pytest.mark.parametrize("twice", [twice_blocking, twice_async], ids=["blocking", "async"])


@both
@pytest.mark.parametrize(("said", "connections"), [("timeout=0", 2), ("timeout=60", 1), ("max=10", 1)])
def test_a_connection_is_used_again_only_as_long_as_the_server_keeps_it(twice, said, connections):
    with FaultServer() as server:
        server.on("POST /", status(200, headers=[("Keep-Alive", said)]))
        assert all(twice(server.url))
        server.journal.assert_connections(connections)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"timeout=5", 4),
        (b"timeout=5, max=1000", 4),
        (b"max=1000, Timeout = 20", 19),
        (b'timeout="5"', 4),
        (b"timeout=1", 0.5),
        (b"timeout=0", 0),
        (b"timeout=", inf),
        (b"timeout=-5", inf),
        (b"timeout=1.5", inf),
        (b"timeout=1e9", inf),
        (b"timeout=" + b"9" * 1000, inf),
        (b"notimeout=5", inf),
        (b"\xff", inf),
        (b"", inf),
    ],
)
def test_a_margin_is_taken_off_and_nonsense_says_nothing(said, seconds):
    assert kept_for([(b"Content-Length", b"0"), (b"Keep-Alive", said)]) == seconds
