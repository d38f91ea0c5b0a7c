"""One timer for all waits of a reader: each still ends at its own time."""

import asyncio

import pytest

from resilient_client.wire.sockets import Expired, now
from resilient_client.wire.sockets.timing import Alarm


@pytest.mark.parametrize("earlier", [60.0, 0.001], ids=["a longer wait", "a shorter wait"])
def test_a_wait_ends_at_its_time_whatever_was_waited_for_before(earlier):
    async def main():
        loop = asyncio.get_running_loop()
        alarm = Alarm(loop)
        answered = loop.create_future()
        alarm.watch(answered, now() + earlier)
        answered.set_result(None)
        until, late = now() + 0.02, loop.create_future()
        alarm.watch(late, until)
        with pytest.raises(Expired):
            async with asyncio.timeout(30):
                await late
        assert now() >= until
        alarm.stop()

    asyncio.run(main())
