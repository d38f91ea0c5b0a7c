"""What a wire makes of a fork, of a second event loop, of a policy file that names another, and of a client's end."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest
from faults.left_behind import connections

from resilient_client import AsyncClient, Client, Policy, load_policies
from resilient_client.testing import FaultServer, steps

ONCE = Policy(retry=None, breaker=None)

FORKING = """
import os, sys, threading, time
from resilient_client import Client, Policy
from resilient_client.testing import FaultServer

with FaultServer() as server:
    client = Client("orders", base_url=server.url, wire=sys.argv[1], policy=Policy(retry=None, breaker=None))
    assert client.get("/text").ok
    child = os.fork()
    if child == 0:
        started = time.monotonic()
        result = client.get("/text")
        quick = time.monotonic() - started < 5
        told = str(getattr(result, "kind", "ok")) + ("" if quick else " late") + " " + getattr(result, "message", "")
        os.write(1, told.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert client.get("/text").ok
    os._exit(0)
"""


def forked(wire):
    code = [sys.executable, "-W", "ignore", "-c", FORKING, wire]
    return subprocess.run(code, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_says_at_once_that_the_thread_of_pyreqwest_is_not_there():
    assert forked("pyreqwest").startswith(
        "local pyreqwest's thread stayed in the process that this one was forked from"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_has_connections_of_its_own_over_httpx2():
    assert forked("httpx2").startswith("ok")


INTERRUPTED = """
import signal, sys
from resilient_client import Client, Policy, Timeouts

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
policy = Policy(timeouts=Timeouts(attempt=2), retry=None)
with Client("orders", base_url=sys.argv[1], wire=sys.argv[2], policy=policy) as client:
    try:
        client.get("/")
    except KeyboardInterrupt:
        print("interrupted", client.state().permits_in_use)
"""


@pytest.mark.parametrize("wire", ["default", "httpx2", "pyreqwest"])
def test_ctrl_c_in_the_first_call_that_fails_is_an_exception_like_any_other(wire):
    with FaultServer() as server:
        server.on("/", steps.hang())
        code = [sys.executable, "-c", INTERRUPTED, server.url, wire]
        child = subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not server.journal.requests:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert (child.communicate(timeout=60), child.returncode) == (("interrupted 0\n", ""), 0)


@pytest.mark.parametrize("wire", ["default", "aiohttp", "httpx2", "pyreqwest"])
def test_a_second_event_loop_may_use_the_client(wire):
    async def call(client):
        return await client.get("/text")

    async def both_ends(client):
        result = await client.get("/text")
        await client.close()
        return result

    with FaultServer() as server:
        client = AsyncClient("orders", base_url=server.url, wire=wire, policy=ONCE)
        with asyncio.Runner() as first, asyncio.Runner() as second:
            assert first.run(call(client)).ok
            assert second.run(call(client)).ok
            assert first.run(both_ends(client)).ok
            second.run(asyncio.sleep(0.01))


@pytest.mark.parametrize("wire", ["default", "aiohttp", "httpx2", "pyreqwest"])
def test_close_lets_calls_under_way_go_on(wire):
    async def go(server):
        client = AsyncClient("orders", base_url=server.url, wire=wire, policy=ONCE)
        slow = asyncio.ensure_future(client.get("/slow"))
        while not server.journal.in_progress:
            await asyncio.sleep(0.01)
        await client.close()
        result = await slow
        for _ in range(100):
            if not connections():
                break
            await asyncio.sleep(0.02)
        return result

    with FaultServer() as server:
        server.on("/slow", steps.text(after=0.3))
        assert asyncio.run(go(server)).text == "ok"
        assert connections() == []


@pytest.mark.parametrize("wire", ["aiohttp", "httpx2", "pyreqwest"])
def test_a_policy_file_goes_over_to_another_wire_between_two_calls(wire, tmp_path):
    file = tmp_path / "services.toml"

    async def go(server):
        text = f'[clients.orders]\nbase_url = "{server.url}"\n'
        file.write_text(text)
        policies = load_policies(file)
        async with policies.async_client("orders") as client:
            kinds = []
            for line in (f'wire = "{wire}"\n', "", f'wire = "{wire}"\n'):
                file.write_text(text + line)
                policies.reload()
                assert (await client.get("/text")).ok
                kinds.append(getattr(client._wire, "name", "default"))
        return kinds

    with FaultServer() as server:
        assert asyncio.run(go(server)) == [wire, "default", wire]


@pytest.mark.parametrize("wire", ["httpx2", "pyreqwest"])
def test_a_closed_client_keeps_no_connection(wire):
    with FaultServer() as server:
        with Client("orders", base_url=server.url, wire=wire) as client:
            assert client.get("/text").ok
            assert connections()
        for _ in range(100):
            if not connections():
                break
            time.sleep(0.02)
        assert connections() == []


def test_aiohttp_does_not_repeat_a_request_by_itself():
    async def go(server):
        async with AsyncClient("orders", base_url=server.url, wire="aiohttp", policy=ONCE) as client:
            session = client._wire._sessions.get(fresh=False, public_only=False)
            session.client._retry_connection = True  # as it is by default; the connector does not let it
            return await client.get("/")

    with FaultServer() as server:
        server.on("/", steps.close())
        assert asyncio.run(go(server)).kind == "reset"
        server.journal.assert_requests(1)


def test_httpx2_gives_no_connection_back_that_has_something_behind_its_answer():
    with FaultServer() as server:
        server.on("/", steps.second_answer())
        with Client("orders", base_url=server.url, wire="httpx2", policy=ONCE) as client:
            assert client.get("/").ok
            assert client.get("/text").text == "ok"
            assert client.get("/text").text == "ok"
        server.journal.assert_connections(2)


@pytest.mark.parametrize("wire", ["default", "httpx2", "pyreqwest"])
def test_a_connection_whose_answer_contradicts_itself_is_not_used_again(wire):
    with FaultServer() as server:
        server.on("/", steps.length_and_chunked())
        with Client("orders", base_url=server.url, wire=wire, policy=ONCE) as client:
            assert client.get("/").kind == "protocol"
            assert client.get("/text").text == "ok"
        server.journal.assert_connections(2)
