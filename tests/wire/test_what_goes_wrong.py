"""Rare things that went wrong once, or would: each may harm the caller, the server, or whoever calls next."""

import asyncio
import contextlib
import gzip
import io
import itertools
import os
import socket
import threading
import time
import warnings

import httpx
import pytest
from helpers import FAST, assert_alone, kinds

from resilient_client import AsyncClient, Breaker, Client, FailureKind, Policy, Retry, StopReason, Timeouts
from resilient_client.testing import FaultServer, sockets
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.script import Data, End, GoAway, Head, Pause
from resilient_client.testing.steps import echo, hang, ok, redirect, require_digest, status
from resilient_client.wire.goaway import GoAwayFilter

ONCE = Policy(retry=None)


def blocking(method, url, *, call=None, **options):
    with Client("careful", **{"policy": ONCE, **options}) as client:
        result = client.request(method, url, **(call or {}))
        failures = sum(circuit.failures for circuit in client.state().circuits.values())
    return result, failures


def asynchronous(method, url, *, call=None, **options):
    async def go():
        async with AsyncClient("careful", **{"policy": ONCE, **options}) as client:
            result = await client.request(method, url, **(call or {}))
            return result, sum(circuit.failures for circuit in client.state().circuits.values())

    return asyncio.run(go())


both = pytest.mark.parametrize("request_", [blocking, asynchronous])


@both
def test_a_post_that_was_answered_with_a_redirect_is_not_sent_again_when_the_next_hop_is_down(request_):
    with FaultServer() as server, sockets.refused_port() as nobody:
        server.on("POST /charge", redirect(nobody.url, 303))
        policy = Policy(redirects=3, retry=FAST)
        result, _ = request_("POST", f"{server.url}/charge", policy=policy, allow_other_origins=True)
        assert (result.kind, result.sent, result.stopped) == (FailureKind.CONNECT, True, StopReason.REJECTED) or (
            result.kind,
            result.sent,
        ) == (FailureKind.CONNECT, True)
        server.journal.assert_requests(1)


@both
def test_connecting_for_a_later_hop_has_its_own_time(request_):
    with FaultServer() as server, FaultServer() as other:
        server.on("/", lambda _: (Pause(1), Head(302, (("Location", f"{other.url}/text"),)), Data(b""), End()))
        policy = Policy(redirects=1, retry=None, timeouts=Timeouts(connect=0.8))
        result, _ = request_("GET", f"{server.url}/", policy=policy)
    assert result.ok, result.explain()


@both
def test_requests_that_an_auth_makes_itself_are_bounded_by_the_deadline(request_):
    class Token(httpx.Auth):
        def __init__(self, url):
            self.url = url

        def auth_flow(self, request):
            yield httpx.Request("GET", self.url)
            yield request

    with FaultServer() as server, sockets.black_hole() as token_server:
        started = time.monotonic()
        policy = Policy(timeouts=Timeouts(total=0.3), retry=None)
        result, _ = request_("GET", f"{server.url}/", auth=Token(token_server.url), policy=policy)
    assert result.kind is FailureKind.DEADLINE
    assert time.monotonic() - started < 3


@both
def test_a_body_that_is_used_up_is_not_sent_empty_to_answer_a_challenge(request_):
    with FaultServer() as server:
        server.on("/", require_digest())
        body = {"content": iter([b"hello"])}
        result, _ = request_("PUT", f"{server.url}/", auth=httpx.DigestAuth("a", "b"), call=body)
        assert result.status == 401
        server.journal.assert_requests(1)


@both
@pytest.mark.parametrize("auth", [lambda _: None, lambda _: 1 / 0])
def test_an_auth_that_fails_is_the_callers_affair(request_, auth):
    with FaultServer() as server:
        result, failures = request_("GET", f"{server.url}/", auth=auth, policy=Policy())
        assert (result.kind, len(result.attempts), failures, result.sent) == (FailureKind.LOCAL, 1, 0, False)
        server.journal.assert_requests(0)


@both
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_body_that_fails_is_the_callers_affair(request_, moment):
    def pieces():
        if moment == "after":
            yield b"x"
        raise OSError("my disk")

    with FaultServer() as server:
        result, failures = request_("PUT", f"{server.url}/upload", call={"content": pieces()}, policy=Policy())
    assert (result.kind, len(result.attempts), failures) == (FailureKind.LOCAL, 1, 0)
    assert "my disk" in result.message


@both
def test_pieces_that_are_no_bytes_are_the_callers_affair(request_):
    with FaultServer() as server:
        result, failures = request_("PUT", f"{server.url}/upload", call={"content": ["text"]}, policy=Policy())
    assert (result.kind, failures) == (FailureKind.LOCAL, 0)


@both
def test_a_length_given_for_an_iterator_frames_it(request_):
    with FaultServer() as server:
        server.on("/", echo())
        options = {"content": iter([b"hello", b"world"]), "headers": {"Content-Length": "10"}}
        result, _ = request_("PUT", f"{server.url}/", call=options)
    seen = {name.lower(): value for name, value in result.json()["headers"]}
    assert seen["content-length"] == "10"
    assert "transfer-encoding" not in seen
    assert result.json()["body"] == "helloworld"


@both
def test_a_length_that_is_not_kept_is_the_callers_affair(request_):
    with FaultServer(strict=False) as server:
        options = {"content": iter([b"hello"]), "headers": {"Content-Length": "10"}}
        result, failures = request_("PUT", f"{server.url}/upload", call=options, policy=Policy())
    assert (result.kind, failures) == (FailureKind.LOCAL, 0)


@both
def test_a_host_field_of_the_client_replaces_the_default(request_):
    with FaultServer() as server:
        server.on("/", ok())
        result, _ = request_("GET", f"{server.url}/", headers={"Host": "orders.internal"})
        assert result.ok
        assert server.journal.requests[0].headers.get_list("host") == ["orders.internal"]


@both
def test_an_idempotency_key_in_a_header_counts(request_):
    with FaultServer() as server:
        server.on("/", status(500), then=ok())
        headers = {"Idempotency-Key": "order-1"}
        result, _ = request_("POST", f"{server.url}/", call={"headers": headers}, policy=Policy(retry=FAST))
        assert result.ok
        server.journal.assert_effects("order-1", 1)


@both
def test_a_write_that_was_cut_inside_tls_counts_as_sent(request_):
    context = CERTIFICATES.server_context("valid", http2=False, client_certificate=False)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    done = threading.Event()

    def serve():
        raw, _ = listener.accept()
        with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as tls:
            tls.recv(1)  # the first record was read and could be acted on
            done.wait(10)

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"https://localhost:{listener.getsockname()[1]}/"
    policy = Policy(timeouts=Timeouts(write=0.3), retry=FAST)
    options = {"call": {"content": b"x" * 30_000_000}, "verify": CERTIFICATES.client_context(), "policy": policy}
    result, _ = request_("POST", url, **options)
    done.set()
    thread.join()
    listener.close()
    assert (result.kind, result.sent, result.stopped) == (FailureKind.WRITE_TIMEOUT, True, StopReason.NOT_IDEMPOTENT)


def test_an_answer_that_came_while_the_loop_was_busy_does_not_reach_the_next_caller():
    listener = socket.create_server(("127.0.0.1", 0))
    answered, forged = threading.Event(), threading.Event()

    def serve():
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
                answered.wait(10)
                with contextlib.suppress(OSError):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
                    forged.set()
                    connection.recv(65536)

    thread = threading.Thread(target=serve)
    thread.start()

    async def scene():
        async with AsyncClient("busy", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", policy=ONCE) as client:
            first = await client.get("/")
            answered.set()
            forged.wait(10)  # the loop is busy: the second answer waits in the kernel
            return first.text, (await client.get("/")).text

    assert asyncio.run(scene()) == ("good", "good")
    thread.join()
    listener.close()


@both
def test_a_bomb_inside_a_bomb_is_found_at_its_first_layer(request_):
    body = bytes(400_000_000 // 8)
    for _ in range(3):
        body = gzip.compress(body)
    with FaultServer() as server:
        server.on("/", status(200, body, headers=[("Content-Encoding", "gzip, gzip, gzip")]))
        started = time.monotonic()
        result, _ = request_("GET", f"{server.url}/", policy=Policy(max_body=1000, retry=None))
    assert result.kind is FailureKind.TOO_LARGE
    assert time.monotonic() - started < 2


@both
@pytest.mark.parametrize(("code", "kind"), [(b"000", "protocol"), (b"999", "server_error"), (b"777", "server_error")])
def test_a_status_that_is_none_is_a_server_error(request_, code, kind):
    from resilient_client.testing.script import Close, Raw

    with FaultServer() as server:
        server.on("/", lambda _: (Raw(b"HTTP/1.1 %b X\r\nContent-Length: 0\r\n\r\n" % code), Close()))
        result, _ = request_("GET", f"{server.url}/")
    assert str(result.kind) == kind


@both
def test_a_socks_reply_in_pieces_is_one_reply(request_):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"\x05")
            time.sleep(0.05)
            connection.sendall(b"\x00")
            connection.recv(100)
            for piece in (b"\x05\x00\x00", b"\x01\0\0\0", b"\0\0\0"):
                connection.sendall(piece)
                time.sleep(0.05)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    thread = threading.Thread(target=serve)
    thread.start()
    result, _ = request_("GET", "http://127.0.0.1:1/", proxy=f"socks5://127.0.0.1:{listener.getsockname()[1]}")
    thread.join()
    listener.close()
    assert result.ok, result.explain()


@both
def test_an_answer_given_while_the_upload_is_stuck_is_heard(request_):
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            done.wait(10)

    thread = threading.Thread(target=serve)
    thread.start()
    policy = Policy(timeouts=Timeouts(write=5), retry=None)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    result, _ = request_("PUT", url, call={"content": io.BytesIO(bytes(30_000_000))}, policy=policy)
    done.set()
    thread.join()
    listener.close()
    assert result.status == 413, result.explain()


def test_an_auth_that_fails_half_way_leaves_no_connection_open():
    class Malformed(httpx.Auth):
        def auth_flow(self, request):
            yield request
            raise httpx.ProtocolError("malformed challenge", request=request)

    with FaultServer() as server:
        server.on("/", status(401))

        async def scene():
            async with AsyncClient("auth", base_url=server.url, auth=Malformed(), policy=ONCE) as client:
                results = [await client.get("/") for _ in range(5)]
                assert {result.kind for result in results} <= {FailureKind.PROTOCOL, FailureKind.UNEXPECTED}

        asyncio.run(scene())


def test_idle_connections_of_a_burst_do_not_stay(fault_server):
    fault_server.on("/", ok(after=0.05))

    async def scene():
        async with AsyncClient("burst", base_url=fault_server.url) as client:
            pool = client._wire._transport._pool
            await asyncio.gather(*(client.get("/") for _ in range(20)))
            assert pool.idle > 1
            for connection in itertools.chain.from_iterable(pool._idle.values()):
                connection.idle_until = 0.0  # its time is over
            await client.get("/")
            return pool.idle

    assert asyncio.run(scene()) == 1


def test_a_child_forked_while_another_thread_loads_the_roots_is_not_stuck(monkeypatch):
    from resilient_client.wire import tls_settings

    slow = threading.Event()
    original = tls_settings.TlsSettings._make

    def stretched(self):
        slow.set()
        time.sleep(0.3)
        return original(self)

    monkeypatch.setattr(tls_settings.TlsSettings, "_make", stretched)
    with Client(
        "forked", base_url="https://127.0.0.1:1", policy=Policy(retry=None, timeouts=Timeouts(total=1))
    ) as client:
        with sockets.stalled_tls() as listening:
            url = listening.url
            client._plan.requests.base.allow_other_origins = True
            thread = threading.Thread(target=client.get, args=(url,))
            thread.start()
            slow.wait(5)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                client.get(url)
                os._exit(0)
            for _ in range(100):
                done, code = os.waitpid(child, os.WNOHANG)
                if done:
                    break
                time.sleep(0.1)
            else:
                os.kill(child, 9)
                os.waitpid(child, 0)
                pytest.fail("the child hangs")
            thread.join()
    assert os.waitstatus_to_exitcode(code) == 0


# HTTP/2.


def on_http2(scene, *, policy=ONCE, **options):
    with FaultServer(http2=True, **options) as server:

        async def go():
            settings = {"base_url": server.url, "verify": server.client_context(), "http2": True, "policy": policy}
            async with AsyncClient("h2", **settings) as client:
                value = await scene(server, client)
            await assert_alone()
            return value

        return asyncio.run(go())


def test_a_connection_carries_more_than_its_window_in_small_answers():
    async def scene(server, client):
        server.on("/", status(200, b"x" * 60_000))
        for _ in range(330):  # 20 MB over a connection whose window is 16
            assert (await client.get("/")).ok
        server.journal.assert_connections(1)
        return True

    assert on_http2(scene)


def test_answers_over_the_cap_do_not_eat_the_connections_window():
    async def scene(server, client):
        server.on("/big", status(200, b"x" * 500_000))
        small = Policy(retry=None, max_body=1000)
        for _ in range(60):
            assert (await client.get("/big", policy=small)).kind is FailureKind.TOO_LARGE
        return (await client.get("/text")).ok

    assert on_http2(scene)


def test_a_draining_server_finishes_what_it_took():
    async def scene(server, client):
        server.on("POST /slow", ok(after=0.5))
        server.on("/drain", lambda _: (GoAway(2**31 - 1), Head(200), Data(b"x"), End()))
        slow = asyncio.create_task(client.post("/slow", json={}))
        while server.journal.count("/slow") == 0:
            await asyncio.sleep(0.01)
        await client.get("/drain")
        return await slow

    result = on_http2(scene)
    assert result.ok, result.explain()


def test_goaway_frames_are_taken_out_wherever_they_are_cut():
    frame = (8).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + (5).to_bytes(4, "big") + bytes(4)
    ping = (8).to_bytes(3, "big") + b"\x06\x00" + bytes(4) + b"12345678"
    stream = ping + frame + ping + ping
    for cut in range(1, len(stream)):
        for second in range(cut, len(stream), 5):
            found = GoAwayFilter()
            passed = found.feed(stream[:cut]) + found.feed(stream[cut:second]) + found.feed(stream[second:])
            assert passed == ping * 3
            assert found.last_stream == 5


def test_a_goaway_that_is_none_is_refused():
    with pytest.raises(ValueError, match="GOAWAY"):
        GoAwayFilter().feed((4).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + b"1234")


def test_a_connection_that_says_nothing_any_more_is_left():
    async def scene(server, client):
        server.on("/", hang(), then=ok())
        await client.get("/text")
        silent = Policy(retry=None, timeouts=Timeouts(read=0.3))
        assert (await client.get("/", policy=silent)).kind is FailureKind.READ_TIMEOUT
        assert (await client.get("/text")).ok
        return server.journal.connections_opened

    assert on_http2(scene) == 2


def test_siblings_do_not_restart_a_streams_silence():
    async def scene(server, client):
        server.on("/silent", hang())
        server.on("/busy", lambda _: (Head(200), *([Pause(0.05), Data(b"x")] * 40), End()))
        impatient = Policy(retry=None, timeouts=Timeouts(read=0.4))
        started = time.monotonic()
        silent, _ = await asyncio.gather(client.get("/silent", policy=impatient), client.get("/busy"))
        assert silent.kind is FailureKind.READ_TIMEOUT
        return silent.elapsed, time.monotonic() - started

    alone, together = on_http2(scene)
    assert alone < together


def test_closing_lets_calls_under_way_finish():
    with FaultServer(http2=True) as server:
        server.on("/slow", ok(after=0.4))

        async def go():
            client = AsyncClient("h2", base_url=server.url, verify=server.client_context(), http2=True, policy=ONCE)
            slow = asyncio.create_task(client.get("/slow"))
            while server.journal.count("/slow") == 0:
                await asyncio.sleep(0.01)
            await client.close()
            result = await slow
            await assert_alone()
            return result

        assert asyncio.run(go()).ok


def test_a_client_used_and_closed_in_different_loops_does_not_complain():
    with FaultServer(http2=True) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # a loop was closed with a connection open
        client = AsyncClient("h2", base_url=server.url, verify=server.client_context(), http2=True)
        for _ in range(3):
            assert asyncio.run(client.get("/")).ok
        asyncio.run(client.close())


def test_offering_http2_to_a_server_without_it_does_not_queue_its_callers():
    with FaultServer(tls="valid") as server:
        server.on("/", ok(after=0.5))

        async def go():
            options = {"base_url": server.url, "verify": server.client_context(), "http2": True, "policy": ONCE}
            async with AsyncClient("h2", **options) as client:
                await client.get("/text")
                started = time.monotonic()
                results = await asyncio.gather(*(client.get("/") for _ in range(10)))
                return all(results), time.monotonic() - started

        good, took = asyncio.run(go())
    assert good
    assert took < 4


def test_a_breaker_storage_that_raises_changes_no_result(fault_server, caplog):
    import pybreaker

    from resilient_client import Kernels

    class Broken(pybreaker.CircuitMemoryStorage):
        broken = False

        @property
        def state(self):
            if self.broken:
                raise ConnectionError("the store is gone")
            return super().state

        @state.setter
        def state(self, value):
            if self.broken:
                raise ConnectionError("the store is gone")
            self._state = value

    fault_server.on("/", status(500), then=ok())
    storage = Broken(pybreaker.STATE_CLOSED)
    values = Policy(retry=None, breaker=Breaker(consecutive=1, open_for=60))
    kernels = Kernels(values, circuit_storage=lambda _: storage)
    with Client("store", base_url=fault_server.url, kernels=kernels) as client:
        assert client.breaker().state == "closed"
        storage.broken = True
        assert client.get("/").status == 500
        assert client.breaker().state == "open"
    assert len([record for record in caplog.records if "storage" in record.message]) == 1


@both
def test_kinds_stay_in_order_when_a_proxy_talks_for_ever(request_):
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1000)
            while not done.is_set():
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    thread = threading.Thread(target=serve)
    thread.start()
    policy = Policy(timeouts=Timeouts(connect=0.3, total=20), retry=Retry(max_attempts=1))
    started = time.monotonic()
    result, _ = request_(
        "GET", "https://far.example/", proxy=f"http://127.0.0.1:{listener.getsockname()[1]}", policy=policy
    )
    done.set()
    thread.join()
    listener.close()
    assert kinds(result) == ["connect_timeout"]
    assert time.monotonic() - started < 3
