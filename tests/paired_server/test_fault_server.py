"""The server as a thing that starts, stops, goes away and comes back."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from resilient_client.testing import loop_thread, steps
from resilient_client.testing.script import Script
from resilient_client.testing.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from raw_peer import Peer

    from resilient_client.testing.script import Move, Received

    Dial = Callable[[FaultServer], Peer]


def test_it_answers_at_its_url(server: FaultServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
    answer = httpx.get(server.url)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.org", ""])  # noqa: S104 - refused
def test_only_loopback_is_ever_bound(host: str) -> None:
    with pytest.raises(ValueError, match="for tests and binds loopback only"):
        FaultServer(host=host)


def test_localhost_is_bound_by_its_number() -> None:
    with FaultServer(host="localhost") as server:
        assert httpx.get(server.url + "/text").text == "ok"


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="tls='maybe': one of valid, self-signed, expired, wrong-host"):
        FaultServer(tls="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="client_certificate=True needs tls"):
        FaultServer(client_certificate=True)


def test_what_needs_a_running_server_says_so() -> None:
    server = FaultServer()
    for use in (lambda: server.url, server.down, server.up, server.close_idle, server.client_cert_files):
        with pytest.raises(RuntimeError, match="not running"):
            use()
    server.stop()
    with server, pytest.raises(RuntimeError, match="runs already"):
        server.start()


def test_a_stopped_server_can_start_again_with_the_same_journal() -> None:
    server = FaultServer()
    for count in (1, 2):
        with server:
            httpx.get(server.url)
            server.journal.assert_requests(count)


def test_a_script_can_be_made_elsewhere() -> None:
    script = Script()
    script.on("/text", steps.text("mine"))
    with FaultServer(script=script) as server:
        assert server.script is script
        assert httpx.get(server.url + "/text").text == "mine"
        assert httpx.get(server.url).json() == {"status": "ok"}


def test_a_port_can_be_asked_for() -> None:
    with FaultServer() as first:
        port = first.port
        with pytest.raises(OSError, match="in use"):
            FaultServer(port=port).start()
    with FaultServer(port=port) as second:
        assert second.port == port


# Strictness.


def test_an_unexpected_request_gets_404_and_fails_at_the_end() -> None:
    with pytest.raises(AssertionError, match="nothing is scripted for POST /nowhere"):  # noqa: SIM117
        with FaultServer() as server:
            assert httpx.post(server.url + "/nowhere").status_code == 404


def test_a_default_route_is_not_unexpected() -> None:
    with FaultServer() as server:
        for method, path in (("GET", "/"), ("HEAD", "/"), ("GET", "/text"), ("DELETE", "/echo"), ("PUT", "/upload")):
            assert httpx.request(method, server.url + path).status_code == 200
        server.check()


def test_strict_can_be_switched_off() -> None:
    with FaultServer(strict=False) as server:
        httpx.get(server.url + "/nowhere")
    with pytest.raises(AssertionError, match="GET /nowhere"):
        server.check()


def test_an_exception_on_its_way_is_not_replaced() -> None:
    with pytest.raises(ZeroDivisionError), FaultServer() as server:
        httpx.get(server.url + "/nowhere")
        raise ZeroDivisionError


# Down and up.


def refused(server: FaultServer) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_down_refuses_and_up_is_the_same_port(server: FaultServer) -> None:
    url = server.url
    for _ in range(3):
        assert httpx.get(url).status_code == 200
        server.down()
        assert refused(server)
        server.down()
        server.up()
        server.up()
        assert server.url == url
    assert httpx.get(url).status_code == 200


def test_down_ends_open_connections(server: FaultServer, dial: Dial) -> None:
    server.on("/hang", steps.hang())
    idle, busy = dial(server).get(), dial(server).get("/hang")
    idle.hear()
    server.journal.wait_until(lambda journal: journal.count("/hang") == 1)
    server.down()
    assert idle.hear() == b""
    assert busy.hear() == b""
    assert server.journal.in_progress == 0
    assert not any(seen.aborted for seen in server.journal.requests)


def test_close_idle_ends_idle_connections_only(server: FaultServer, dial: Dial) -> None:
    server.on("/hang", steps.hang())
    idle, busy, fresh = dial(server).get("/text"), dial(server).get("/hang"), dial(server)
    assert idle.hear().endswith(b"ok")
    server.journal.wait_until(lambda journal: journal.count("/hang") == 1)
    server.close_idle()
    assert idle.hear() == b""
    assert fresh.get("/text").hear().endswith(b"ok")
    assert server.journal.in_progress == 1
    busy.sock.settimeout(0.01)
    with pytest.raises(TimeoutError):
        busy.hear()


def test_whoever_holds_an_answer_has_an_idle_connection(server: FaultServer, dial: Dial) -> None:
    for _ in range(30):
        peer = dial(server).get("/text")
        assert peer.hear().endswith(b"ok")
        assert server.journal.in_progress == 0
        server.close_idle()
        assert peer.hear() == b""


def test_a_step_cannot_take_its_own_server_down() -> None:
    with FaultServer(strict=False) as server:

        def suicidal(_: Received) -> Iterable[Move]:
            server.down()
            return steps.ok()(_)

        server.on("/", suicidal)
        with pytest.raises(httpx.ReadError):
            httpx.get(server.url)
        assert "do it from the test" in server.problems[0]


# Stopping.


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a directory of the kernel's


def highest_descriptor() -> int:
    return max(map(int, os.listdir("/proc/self/fd")))  # noqa: PTH208 - see above


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")  # noqa: PTH112


@needs_proc
def test_many_servers_leave_nothing_open() -> None:
    before, threads = open_files(), threading.active_count()
    for _ in range(50):
        with FaultServer() as server, socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
    assert (open_files(), threading.active_count()) == (before, threads)


@needs_proc
def test_stopping_ends_whatever_still_goes_on(dial: Dial) -> None:
    before = open_files()
    with FaultServer() as server:
        server.on("/hang", steps.hang())
        server.on("/endless", steps.endless_body())
        server.on("/drip", steps.drip_body(3600))
        peers = [dial(server).get(path) for path in ("/hang", "/endless", "/drip") for _ in range(5)]
        peers += [dial(server), dial(server).say(b"GET / HT"), dial(server).get("/text")]
        server.journal.wait_until(lambda journal: journal.count() == 16)
        started = time.monotonic()
    assert time.monotonic() - started < 3
    for peer in peers:
        with contextlib.suppress(ConnectionResetError):
            peer.hear_all()
        peer.sock.close()
    assert open_files() == before


def test_starting_and_stopping_is_quick() -> None:
    def once() -> float:
        started = time.perf_counter()
        with FaultServer():
            pass
        return time.perf_counter() - started

    # The best of many, so that a busy machine does not decide.
    assert min(once() for _ in range(30)) < 0.02


def test_a_step_that_blocks_is_told_and_does_not_block_the_end(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_thread, "PATIENCE", 0.3)
    release = threading.Event()

    def block(_: Received) -> Iterable[Move]:
        release.wait(30)
        return steps.ok()(_)

    server = FaultServer(strict=False)
    with server:
        server.on("/", block)
        peer = dial(server).get()
        server.journal.wait_until(lambda journal: journal.count() == 1)
        server.stop()
        release.set()
        peer.hear_all()
    assert "does a step block?" in server.problems[0]


# Unix sockets.


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets")
def test_a_unix_path_works_like_a_port(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    with FaultServer(uds=str(path)) as server, httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        server.on("/reset", steps.reset())
        assert (server.url, server.port) == ("http://localhost", 0)
        assert client.get(server.url + "/text").text == "ok"
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(server.url + "/reset")
        server.down()
        with socket.socket(socket.AF_UNIX) as refused_peer, pytest.raises(ConnectionRefusedError):
            refused_peer.connect(str(path))
        server.up()
        assert client.get(server.url + "/text").text == "ok"
    assert not path.exists()


@needs_proc
def test_accepting_survives_a_lack_of_descriptors(server: FaultServer, dial: Dial) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as held, socket.socket() as late:
        late.settimeout(10)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest_descriptor() + 8, hard))
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.suppress(OSError):
            while True:
                held.callback(os.close, os.dup(late.fileno()))
        late.connect(("127.0.0.1", server.port))
        late.sendall(b"GET /text HTTP/1.1\r\nHost: t\r\n\r\n")
        with pytest.raises(AssertionError):
            server.journal.wait_until(lambda journal: journal.connections_opened, timeout=0.1)
        held.close()
        assert late.recv(65536).endswith(b"ok")


def test_many_clients_at_once_are_counted(server: FaultServer) -> None:
    server.on("/slow", steps.text(after=0.3))
    with httpx.Client() as client:
        threads = [threading.Thread(target=client.get, args=(server.url + "/slow",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 2 <= server.journal.most_at_once <= 8
    server.journal.assert_requests(8, "/slow")
