"""Ways to a WebSocket: TLS, proxies, unix sockets, clients of HTTP/2, other people's servers; and what is told."""

import asyncio
import contextlib
import threading

import httpx
import pytest
import uvicorn
from proxy_side import running
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from resilient_client import AsyncClient, CallFailed, Client, FailureKind, Policy
from resilient_client.events import (
    AttemptEnded,
    CallGivenUp,
    CallStarted,
    CallSucceeded,
    CircuitCounted,
    ExchangeAnswered,
    ExchangeEnded,
    ExchangeStarted,
)
from resilient_client.testing import FaultServer, steps
from resilient_client.testing.script import Close, Pause, Reset


def blocking(url, **options):
    with Client("a", **options) as client, client.websocket(url) as socket:
        if not socket:
            return socket
        socket.send("hello")
        return socket.receive()


def asynchronous(url, **options):
    async def main():
        async with AsyncClient("a", **options) as client, client.websocket(url) as socket:
            if not socket:
                return socket
            await socket.send("hello")
            return await socket.receive()

    return asyncio.run(main())


@pytest.fixture(params=[blocking, asynchronous])
def echoed(request):
    return request.param


@contextlib.contextmanager
def serving(**options):
    with FaultServer(**options) as server:
        server.on("/", steps.websocket())
        yield server


def test_over_tls_with_an_authority_of_ones_own(echoed):
    with serving(tls="valid") as server:
        assert echoed(f"wss://localhost:{server.port}/", verify=server.authority_file()) == "hello"


@pytest.mark.parametrize("tls", ["self-signed", "expired", "wrong-host"])
def test_a_certificate_that_is_no_good_is_a_tls_failure(echoed, tls):
    with serving(tls=tls) as server:
        assert echoed(f"wss://localhost:{server.port}/", verify=server.client_context()).kind is FailureKind.TLS
        server.journal.assert_requests(0)


@pytest.mark.parametrize("end", [Close(), Close(notify=False), Reset()], ids=["goodbye of TLS", "cut", "reset"])
@pytest.mark.parametrize("last", ["", "a last word"])
def test_an_end_of_tls_is_no_close_of_the_socket(echoed, end, last):
    def conversation(talk):
        assert (yield from talk.hear()) == "hello"
        if last:
            yield from talk.say(last)
            yield Pause(0)
        yield end

    with FaultServer(tls="valid") as server:
        server.on("/", steps.websocket(conversation))
        try:
            assert echoed(f"wss://localhost:{server.port}/", verify=server.client_context()) == last
        except CallFailed as problem:
            assert problem.failure.kind is FailureKind.TRUNCATED
            assert not last or isinstance(end, Reset) or not getattr(end, "notify", False)
        else:
            assert last


def test_a_client_certificate_is_shown(echoed):
    with serving(tls="valid", client_certificate=True) as server:
        options = {"verify": server.authority_file(), "cert": server.client_cert_files()}
        assert echoed(f"wss://localhost:{server.port}/", **options) == "hello"


def test_a_client_of_http2_opens_sockets_over_http1():
    with serving(http2=True) as server:

        async def main():
            async with AsyncClient("a", base_url=server.url, http2=True, verify=server.client_context()) as client:
                assert (await client.get("/text")).ok
                async with client.websocket("/") as socket:
                    await socket.send("hello")
                    assert await socket.receive() == "hello"
                    assert (await client.get("/text")).attempts[0].reused
            server.journal.assert_connections(2)

        asyncio.run(main())


def test_over_a_unix_socket(echoed, tmp_path):
    path = str(tmp_path / "s")
    with serving(uds=path):
        assert echoed("ws://localhost/", uds=path) == "hello"


@pytest.mark.parametrize("tls", [None, "valid"], ids=["ws", "wss"])
def test_through_a_tunnel_of_an_http_proxy(echoed, tls):
    with serving(tls=tls) as server, running() as proxy:
        options = {"verify": server.client_context()} if tls else {}
        assert echoed(server.url + "/", proxy=f"http://me:secret@127.0.0.1:{proxy.port}", **options) == "hello"
        (line,) = proxy.seen
        assert line.startswith("CONNECT ")
        assert proxy.authorizations == ["Proxy-Authorization: Basic bWU6c2VjcmV0"]
        assert "proxy-authorization" not in server.journal.requests[0].headers


def test_through_a_socks_proxy(echoed):
    with serving() as server, running() as proxy:
        assert echoed(server.url + "/", proxy=f"socks5://127.0.0.1:{proxy.port}") == "hello"
        assert proxy.seen == [f"SOCKS 127.0.0.1:{server.port}"]


def test_a_proxy_that_says_no_is_a_failure_to_connect(echoed):
    with serving() as server, running(refuse=403) as proxy:
        failure = echoed(server.url + "/", proxy=f"http://127.0.0.1:{proxy.port}", policy=Policy(retry=None))
        assert failure.kind is FailureKind.CONNECT
        assert "403" in failure.message


def test_past_tools_that_watch_httpx(monkeypatch, fault_server):
    fault_server.on("/", steps.websocket())
    seen = []
    original = httpx.HTTPTransport.handle_request

    def watching(transport, request):
        response = original(transport, request)
        seen.append((request.method, response.status_code))
        return response

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", watching)
    assert blocking(fault_server.url + "/") == "hello"
    assert seen == [("GET", 101)]
    fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)


# A server that nobody here wrote.


async def _talk(socket):
    await socket.accept(subprotocol="v1" if "v1" in socket.scope["subprotocols"] else None)
    with contextlib.suppress(WebSocketDisconnect):
        while (text := await socket.receive_text()) != "stop":
            if text == "crash":
                raise LookupError(text)
            await socket.send_text(text[::-1])
            await socket.send_bytes(text.encode())
        await socket.close(1000, "as you wish")


async def _refuse(socket):
    await socket.close()


@pytest.fixture(scope="module")
def uvicorn_url():
    app = Starlette(routes=[WebSocketRoute("/talk", _talk), WebSocketRoute("/refuse", _refuse)])
    config = uvicorn.Config(
        app, port=0, loop="asyncio", http="h11", ws="wsproto", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        pass
    yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def test_uvicorn_and_a_thread(uvicorn_url):
    with Client("a", base_url=uvicorn_url.replace("ws", "http")) as client:
        with client.websocket("/talk", subprotocols=["v2", "v1"]) as socket:
            assert socket.subprotocol == "v1"
            for text in ("hello", "größer" * 20_000):
                socket.send(text)
                assert (socket.receive(), socket.receive()) == (text[::-1], text.encode())
            socket.send("stop")
            assert list(socket) == []
            assert (socket.close_code, socket.close_reason) == (1000, "as you wish")


def test_uvicorn_and_tasks(uvicorn_url):
    async def one(client, number):
        async with client.websocket(f"{uvicorn_url}/talk") as socket:
            for turn in range(20):
                await socket.send(f"{number}.{turn}")
                await socket.receive()
                assert await socket.receive() == f"{number}.{turn}".encode()

    async def main():
        async with AsyncClient("a") as client:
            await asyncio.gather(*(one(client, number) for number in range(10)))
            assert client.state().permits_in_use == 0

    asyncio.run(main())


def test_uvicorn_refuses(uvicorn_url):
    with Client("a") as client, client.websocket(f"{uvicorn_url}/refuse") as failure:
        assert (failure.kind, failure.status) == (FailureKind.CLIENT_ERROR, 403)


def test_uvicorn_whose_application_crashes(uvicorn_url):
    with Client("a") as client, client.websocket(f"{uvicorn_url}/talk") as socket:
        socket.send("crash")
        with pytest.raises(CallFailed) as raised:
            socket.receive()
    assert raised.value.failure.kind is FailureKind.TRUNCATED  # it hangs up without a Close


# What is told.


def told_of(world, step, use):
    world.on("/", step)
    told = []
    world.client(listeners=[told.append]).socket("/", use)
    return told


def test_a_socket_is_told_as_a_call_that_lasts_until_it_closes(world):
    seen = []

    async def use(socket):
        seen.extend(type(event) for event in told)
        await socket.send("x")
        await socket.receive()

    told = []
    world.on("/", steps.websocket())
    world.client(listeners=[told.append]).socket("/", use, route="/rooms/{id}")
    assert seen == [CallStarted, ExchangeStarted, ExchangeAnswered]
    answered = told[2]
    assert (answered.status, answered.call.route) == (101, "/rooms/{id}")
    assert [type(event) for event in told[3:]] == [ExchangeEnded, CircuitCounted, AttemptEnded, CallSucceeded]
    ended = told[3]
    assert (ended.status, ended.kind, ended.cancelled) == (101, None, False)


def test_a_socket_that_dies_is_told_as_a_call_that_failed(world):
    async def use(socket):
        with pytest.raises(CallFailed):
            await socket.receive()

    told = told_of(world, steps.websocket(lambda _: iter([Reset()])), use)
    assert [type(event) for event in told[3:]] == [ExchangeEnded, CircuitCounted, AttemptEnded, CallGivenUp]
    assert told[3].kind is FailureKind.TRUNCATED
    assert told[4].outcome == "failure"
