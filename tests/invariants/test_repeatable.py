"""A run in virtual time repeats exactly: nothing in it depends on where objects happen to lie in memory."""

from __future__ import annotations

from resilient_client import Bulkhead, Policy
from resilient_client.testing import VirtualWorld, steps


def test_calls_that_lose_their_connections_together_go_on_in_the_order_they_came():
    world = VirtualWorld()
    world.on("/", steps.hang())
    client = world.async_client(policy=Policy(retry=None, breaker=None, bulkhead=Bulkhead(max_concurrent=50)))
    ended = []

    async def one(number):
        await client.get("/")
        ended.append(number)

    async def scenario():
        flows = [world.spawn(one(number)) for number in range(50)]
        await world.sleep(1)
        world.down()
        for flow in flows:
            await flow

    world.run(scenario())
    assert ended == list(range(50))
