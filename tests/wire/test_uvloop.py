"""The wires on uvloop, whose transports and timers are not quite asyncio's."""

import asyncio

import pytest

from resilient_client import AsyncClient, Bulkhead, Policy, Timeouts
from resilient_client.testing import FaultServer, steps

uvloop = pytest.importorskip("uvloop", reason="there is no uvloop for this platform")


def on_uvloop(scene, *, policy=None, wire=None, **server_options):
    with FaultServer(**server_options) as server:

        async def go():
            verify = {"verify": server.client_context()} if server_options else {}
            async with AsyncClient("uvloop", base_url=server.url, policy=policy, wire=wire, **verify) as client:
                return await scene(server, client)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(go())


@pytest.mark.parametrize("options", [{}, {"tls": "valid"}], ids=["plain", "tls"])
def test_many_calls_succeed_and_reuse_their_connections(options):
    async def scene(server, client):
        results = [result for _ in range(3) for result in await client.gather(["/text"] * 20)]
        assert server.journal.connections_opened <= 20
        return results

    assert all(on_uvloop(scene, policy=Policy(bulkhead=Bulkhead(max_concurrent=20)), **options))


def test_bodies_go_both_ways():
    async def scene(server, client):
        server.on("/", steps.echo())
        return (await client.post("/", content=[b"x" * 100_000] * 10)).json()["body"]

    assert on_uvloop(scene) == "x" * 1_000_000


@pytest.mark.parametrize(
    ("timeouts", "kind"), [(Timeouts(total=0.2), "deadline"), (Timeouts(read=0.2), "read_timeout")]
)
def test_a_wait_that_is_over_is_of_its_kind(timeouts, kind):
    async def scene(server, client):
        server.on("/", steps.hang())
        return [str(result.kind) for result in await client.gather(["/"] * 20)]

    assert set(on_uvloop(scene, policy=Policy(timeouts=timeouts, retry=None, breaker=None))) == {kind}


@pytest.mark.parametrize("wire", [None, "aiohttp", "pyreqwest", "httpx2"])
def test_a_stream_that_never_begins_is_over_with_its_attempt_on_every_wire(wire):
    async def scene(server, client):
        server.on("/", steps.hang())

        async def kind_of_one(number):
            await asyncio.sleep(number * 0.0013)  # the loop counts in whole milliseconds: at other parts of one
            async with client.stream("GET", "/") as result:
                return str(result.kind)

        return await asyncio.gather(*(kind_of_one(number) for number in range(60)))

    policy = Policy(timeouts=Timeouts(attempt=0.1), retry=None, breaker=None)
    assert set(on_uvloop(scene, policy=policy, wire=wire)) == {"attempt_timeout"}


def test_a_cancelled_call_leaves_nothing_behind():
    async def scene(server, client):
        server.on("/", steps.hang())
        call = asyncio.ensure_future(client.get("/"))
        while not client.state().permits_in_use:
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return client.state().permits_in_use

    assert on_uvloop(scene) == 0
