"""HTTP/2 on `AsyncClient`: many calls on one connection, none of which can hurt another."""

import asyncio

import pytest
from helpers import assert_alone

from resilient_client import AsyncClient, Client, ConfigError, FailureKind, Policy, Retry, Timeouts
from resilient_client.testing import FaultServer
from resilient_client.testing.script import Data, End, Head
from resilient_client.testing.steps import (
    drip_body,
    echo,
    endless_body,
    goaway,
    gzipped,
    hang,
    ok,
    refused_stream,
    reset,
    reset_in_body,
    status,
)

ONCE = Policy(retry=None)
FAST = Policy(retry=Retry(wait_initial=0.001, wait_max=0.01))


def on_http2(scene, *, policy=ONCE, **server_options):
    """Run `scene(server, client)` against an HTTP/2 server."""
    with FaultServer(http2=True, **server_options) as server:

        async def go():
            options = {"base_url": server.url, "verify": server.client_context(), "http2": True, "policy": policy}
            async with AsyncClient("h2", **options) as client:
                value = await scene(server, client)
            await assert_alone()
            return value

        return asyncio.run(go())


def test_a_blocking_client_says_why_it_does_not_speak_http2():
    with pytest.raises(ConfigError, match="HTTP/2 is for AsyncClient"):
        Client("h2", http2=True)


def test_many_calls_share_one_connection():
    async def scene(server, client):
        results = await asyncio.gather(*(client.get("/echo") for _ in range(50)))
        assert all(result.ok for result in results)
        server.journal.assert_connections(1)
        return results

    assert len(on_http2(scene)) == 50


def test_bodies_go_both_ways():
    async def scene(server, client):
        server.on("/", echo())
        server.on("/zipped", gzipped(b"hello" * 1000))
        big = b"x" * 1_000_000
        assert (await client.post("/", content=big)).json()["body"] == big.decode()
        assert (await client.get("/zipped")).content == b"hello" * 1000
        assert (await client.request("HEAD", "/")).ok
        assert (await client.post("/", json={"a": 1}, headers={"Connection": "x"})).ok
        return True

    assert on_http2(scene)


def test_an_answer_larger_than_every_window_arrives_whole():
    async def scene(server, client):
        server.on("/", status(200, b"x" * 20_000_000))
        return len((await client.get("/")).content)

    assert on_http2(scene) == 20_000_000


def test_a_deadline_resets_its_own_stream_and_no_other():
    async def scene(server, client):
        server.on("/slow", hang())
        server.on("/fine", drip_body(1.2, pieces=6))
        short = Policy(retry=None, timeouts=Timeouts(total=0.8))
        slow, fine = await asyncio.gather(client.get("/slow", policy=short), client.get("/fine"))
        assert slow.kind is FailureKind.DEADLINE
        assert fine.ok
        server.journal.assert_connections(1)
        server.journal.wait_until(lambda journal: any(seen.reset_by_client for seen in journal.requests))
        return [seen.path for seen in server.journal.requests if seen.reset_by_client]

    assert on_http2(scene) == ["/slow"]


def test_a_read_timeout_of_one_stream_leaves_its_siblings():
    async def scene(server, client):
        server.on("/slow", hang())
        server.on("/fine", ok(after=0.5))
        impatient = Policy(retry=None, timeouts=Timeouts(read=0.1))
        slow, fine = await asyncio.gather(client.get("/slow", policy=impatient), client.get("/fine"))
        assert slow.kind is FailureKind.READ_TIMEOUT
        return fine.ok

    assert on_http2(scene)


def test_a_cancelled_call_resets_its_stream():
    async def scene(server, client):
        server.on("/slow", hang())
        await client.get("/")
        task = asyncio.create_task(client.get("/slow"))
        while server.journal.count("/slow") == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await client.get("/")).ok
        server.journal.assert_connections(1)
        server.journal.wait_until(lambda journal: any(seen.reset_by_client for seen in journal.requests))
        return client.state().permits_in_use

    assert on_http2(scene) == 0


def test_a_refused_stream_is_known_unsent_and_sent_again_even_for_a_post():
    async def scene(server, client):
        server.on("/", refused_stream(), then=ok())
        return await client.post("/", json={})

    result = on_http2(scene, policy=FAST)
    assert [str(attempt.kind) for attempt in result.attempts] == ["reset", "None"]


def test_a_reset_stream_is_a_reset_and_one_in_the_body_is_truncated():
    async def scene(server, client):
        server.on("/reset", reset())
        server.on("/half", reset_in_body())
        first, second = await client.get("/reset"), await client.get("/half")
        assert (first.sent, second.sent) == (True, True)
        server.journal.assert_connections(1)
        return str(first.kind), str(second.kind)

    assert on_http2(scene) == ("reset", "truncated")


def test_goaway_sends_what_was_not_taken_over_a_new_connection():
    async def scene(server, client):
        await client.get("/")
        server.on("/drain", goaway(last_stream=0), then=ok())
        result = await client.post("/drain", json={})
        assert result.ok
        return server.journal.connections_opened

    assert on_http2(scene, policy=FAST) == 2


def test_calls_that_lose_their_connection_together_open_one_for_all_of_them():
    async def scene(server, client):
        await client.get("/")
        server.on("/many", *[hang()] * 29, goaway(last_stream=0), then=ok())
        results = await asyncio.gather(*(client.get("/many") for _ in range(30)))
        assert [len(result.unwrap().attempts) for result in results] == [2] * 30
        server.journal.assert_connections(2)

    on_http2(scene)


def test_more_calls_than_streams_open_more_connections():
    async def scene(server, client):
        server.on("/", ok(after=0.1))
        results = await asyncio.gather(*(client.get("/") for _ in range(20)))
        assert all(result.ok for result in results)
        return server.journal.connections_opened

    assert 2 <= on_http2(scene, policy=FAST, max_streams=5) <= 20


def test_an_answer_without_a_status_is_a_protocol_failure():
    async def scene(server, client):
        server.on("/", lambda _: (Head(0, (("x-a", "b"),)), Data(b"x"), End()))
        first = await client.get("/")
        assert (await client.get("/text")).ok
        return str(first.kind)

    assert on_http2(scene) == "protocol"


def test_a_body_over_the_cap_resets_its_stream():
    async def scene(server, client):
        server.on("/", endless_body())
        small = Policy(retry=None, max_body=100_000)
        first = await client.get("/", policy=small)
        assert (await client.get("/text")).ok
        server.journal.assert_connections(1)
        return str(first.kind)

    assert on_http2(scene) == "too_large"


def test_a_server_that_speaks_only_http1_is_spoken_to_so():
    with FaultServer(tls="valid") as server:

        async def go():
            async with AsyncClient("h2", base_url=server.url, verify=server.client_context(), http2=True) as client:
                results = await asyncio.gather(*(client.get("/") for _ in range(5)))
                return all(result.ok for result in results)

        assert asyncio.run(go())


def test_plain_http_is_spoken_as_http1():
    with FaultServer() as server:

        async def go():
            async with AsyncClient("h2", base_url=server.url, http2=True) as client:
                return (await client.get("/")).ok

        assert asyncio.run(go())


def test_a_server_that_dies_fails_the_calls_on_it_and_is_found_again():
    async def scene(server, client):
        server.on("/slow", hang())
        waiting = asyncio.create_task(client.get("/slow", policy=ONCE))
        while server.journal.count("/slow") == 0:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(server.down)
        died = await waiting
        refused = await client.get("/", policy=ONCE)
        await asyncio.to_thread(server.up)
        return str(died.kind), str(refused.kind), (await client.get("/")).ok

    assert on_http2(scene) == ("reset", "connect", True)
