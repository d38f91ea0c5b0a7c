"""Publishing: what is told, to whom, and that nothing is recorded before somebody asks for it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from types import SimpleNamespace

import pytest

from resilient_client import AsyncClient, Breaker, Bulkhead, Client, ConfigError, Policy, Retry, Timeouts
from resilient_client.events import CallGivenUp, CallInfo, CallSucceeded, CircuitChanged
from resilient_client.publish import serve_state, write_state
from resilient_client.telemetry import Audience
from resilient_client.telemetry.everywhere import EVERYWHERE
from resilient_client.telemetry.recent import MOST, Recent
from resilient_client.testing import steps

PATIENCE = 20.0
ONCE = Policy(retry=None, timeouts=Timeouts(total=10))


@pytest.fixture(autouse=True)
def _nobody_is_left_listening():
    assert EVERYWHERE.listeners == ()
    yield
    assert EVERYWHERE.listeners == ()


def ask(url: str, *, method: str = "GET", path: str | None = None, **headers: str):
    """Ask with the headers as given, and no others but the length of nothing."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    try:
        connection.putrequest(method, path or parts.path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def told_by(server) -> dict:
    status, _, body = ask(server.url)
    assert status == 200
    return json.loads(body)


def of(document: dict, name: str) -> dict:
    (found,) = [client for client in document["clients"] if client["name"] == name]
    return found


def until(check, what: str):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {PATIENCE:g} s: {what}")


# What is told.


def test_it_tells_each_open_client_with_its_state_its_policy_and_its_calls(fault_server):
    fault_server.on("GET /well", steps.ok({}))
    fault_server.on("GET /ill", steps.status(404))
    policy = Policy(timeouts=Timeouts(total=7, attempt=3), bulkhead=Bulkhead(max_concurrent=5, max_waiting=2))
    with serve_state() as server, Client("told", base_url=fault_server.url, policy=policy) as client:
        client.get("/well")
        client.get("/well")
        client.get("/ill")
        document = told_by(server)
        told = of(document, "told")
        assert told["base_url"].startswith(fault_server.url)
        assert told["policy"] == {
            "total": 7,
            "attempt": 3,
            "max_attempts": 3,
            "max_concurrent": 5,
            "max_waiting": 2,
        }
        assert (told["calls"], told["failures"], told["cancelled"]) == (3, 1, 0)
        assert (told["calls_last_minute"], told["failures_last_minute"]) == (3, 1)
        assert told["state"]["permits"] == 5
        assert list(told["state"]["circuits"].values())[0]["calls"] == 3
    assert document["version"] == 1
    assert document["pid"] == os.getpid()
    assert document["program"]
    assert abs(document["time"] - time.time()) < 60


def test_it_tells_what_went_wrong_the_newest_first(fault_server):
    fault_server.on("GET /ill", steps.status(503))
    policy = Policy(retry=None, breaker=Breaker(consecutive=2))
    with serve_state() as server, Client("wrong", base_url=fault_server.url, policy=policy) as client:
        for _ in range(5):
            client.get("/ill", route="/ill")
        recent = [one for one in told_by(server)["recent"] if one["client"] == "wrong"]
    assert [one["event"] for one in recent] == ["failure", "failure", "circuit", "failure"]
    rejected, second, change, first = recent
    assert (rejected["kind"], rejected["count"], rejected["stopped"]) == ("circuit_open", 3, "rejected")
    assert (first["kind"], first["status"], first["attempts"], first["route"]) == ("server_error", 503, 1, "/ill")
    assert second["kind"] == "server_error"
    assert first["elapsed"] > 0
    assert (change["before"], change["after"], change["failures"]) == ("closed", "open", 2)
    assert change["open_for"] > 0
    assert [one["time"] for one in recent] == sorted((one["time"] for one in recent), reverse=True)


def test_a_closed_client_and_one_without_telemetry_are_not_told(fault_server):
    fault_server.on("GET /", steps.ok({}))
    quiet = Client("quiet", base_url=fault_server.url, telemetry=False, listeners=[lambda event: None])
    with serve_state() as server, quiet, Client("closed", base_url=fault_server.url) as closed:
        quiet.get("/")
        closed.close()
        assert not {"quiet", "closed"} & {one["name"] for one in told_by(server)["clients"]}


def test_clients_that_share_their_state_are_one_by_its_first_name_and_their_calls_are_added(fault_server):
    fault_server.on("GET /", steps.ok({}))
    with (
        serve_state() as server,
        Client("zoo", base_url=fault_server.url) as first,
        Client("ape", base_url=fault_server.url, kernels=first.kernels) as second,
    ):
        first.get("/")
        second.get("/")
        told = of(told_by(server), "zoo")
        assert told["calls"] == 2
        assert [one["name"] for one in told_by(server)["clients"] if one["name"] in {"zoo", "ape"}] == ["zoo"]


async def _call_and_leave(url: str) -> None:
    import asyncio

    async with AsyncClient("left", base_url=url) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get("/hang")


def test_a_call_whose_caller_left_is_counted_apart(fault_server):
    import asyncio

    fault_server.on("GET /hang", steps.hang())
    with serve_state() as server, Client("left", base_url=fault_server.url):
        asyncio.run(_call_and_leave(fault_server.url))
        told = of(told_by(server), "left")
        assert (told["calls"], told["cancelled"]) == (0, 1)


# Secrets.

SECRETS = ("hunter2", "c2VjcmV0", "s3cr3t-header", "cookie-monster")


def test_no_credential_is_told(fault_server):
    fault_server.on("GET /x", steps.status(500, headers={"Set-Cookie": SECRETS[3]}))
    secret_headers = {"Authorization": f"Bearer {SECRETS[1]}", "X-Api-Key": SECRETS[2]}
    client = Client("secret", base_url=fault_server.url, headers=secret_headers, policy=ONCE, auth=("me", SECRETS[0]))
    with serve_state() as server, client:
        client.get("/x", params={"token": SECRETS[0], "api_key": SECRETS[0], "plain": "shown"})
        client.get(f"/x?password={SECRETS[0]}#{SECRETS[0]}", headers={"Cookie": SECRETS[3]})
        _, headers, body = ask(server.url)
        text = body.decode() + json.dumps(headers)
    assert "plain=shown" in text
    assert "token=REDACTED" in text
    for secret in SECRETS:
        assert secret not in text


def test_the_arguments_of_the_program_are_not_told(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/opt/shop/checkout", "--token", SECRETS[0]])
    with serve_state() as server:
        _, _, body = ask(server.url)
    assert json.loads(body)["program"] == "checkout"
    assert SECRETS[0] not in body.decode()


# Who may ask what.


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:1", "127.8.9.10", "[::1]:80"])
def test_a_host_header_that_names_loopback_is_answered(host):
    with serve_state() as server:
        assert ask(server.url, Host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "x@127.0.0.1",
        "192.0.2.1",
        "",
        "localhost.evil",
        "::1",
    ],
)
def test_any_other_host_header_is_refused(host):
    with serve_state() as server:
        status, _, body = ask(server.url, Host=host)
    assert status == 403
    assert b"pid" not in body


def test_no_host_header_and_two_of_them_are_refused():
    with serve_state() as server:
        parts = urllib.parse.urlsplit(server.url)
        for hosts in ("", "Host: localhost\r\nHost: evil.example\r\n"):
            with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as raw:
                raw.sendall(f"GET /state HTTP/1.1\r\n{hosts}\r\n".encode())
                assert raw.recv(100).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_get_is_answered(method):
    with serve_state() as server:
        status, headers, body = ask(server.url, method=method)
    assert (status, headers["Allow"]) == (405, "GET")
    assert b"pid" not in body


@pytest.mark.parametrize("path", ["/", "/state/", "/state?x=1", "/../state", "http://127.0.0.1/state"])
def test_there_is_nothing_but_the_state(path):
    with serve_state() as server:
        assert ask(server.url, path=path)[0] == 404


def test_a_web_page_is_let_in_by_no_header():
    with serve_state() as server:
        status, headers, _ = ask(server.url, Origin="https://evil.example")
    assert status == 200
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "resilient-client"


def test_what_is_no_http_is_refused_and_stderr_stays_clean(capfd):
    with serve_state() as server:
        parts = urllib.parse.urlsplit(server.url)
        for said in (b"\x16\x03\x01 nonsense\r\n\r\n", b"GET /state HTTP/9.9\r\n\r\n", b"GET " + b"x" * 70000):
            with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as raw:
                raw.sendall(said)
                assert b" 200 " not in raw.recv(100)
        assert ask(server.url)[0] == 200
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost", "example.com", "", None])
def test_it_listens_on_loopback_only(host):
    with pytest.raises(ConfigError, match="for this machine alone"):
        serve_state(host=host)


@pytest.mark.parametrize("port", [-1, 65536, "80", True, 1.5])
def test_a_wrong_port_is_told(port):
    with pytest.raises(ConfigError, match="port="):
        serve_state(port)


def test_a_port_that_is_taken_is_told_and_nothing_is_recorded(fault_server):
    with pytest.raises(OSError, match="[Aa]ddress already in use"):
        serve_state(fault_server.port)
    assert EVERYWHERE.listeners == ()


def test_ipv6_loopback_will_do():
    try:
        server = serve_state(host="::1")
    except OSError:
        pytest.skip("there is no IPv6 here")
    with server:
        assert server.url.startswith("http://[::1]:")
        assert ask(server.url)[0] == 200


def test_stopping_closes_the_port_and_may_be_done_twice():
    server = serve_state()
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(server.url)


def test_many_ask_while_clients_come_and_go(fault_server):
    fault_server.on("GET /", steps.ok({}))
    problems: list[BaseException] = []
    enough = threading.Event()

    def come_and_go(number: int) -> None:
        try:
            while not enough.is_set():
                with Client(f"short-{number}", base_url=fault_server.url) as client:
                    client.get("/")
        except BaseException as problem:
            problems.append(problem)

    with serve_state() as server:
        threads = [threading.Thread(target=come_and_go, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(60):
                told_by(server)
        finally:
            enough.set()
            for thread in threads:
                thread.join()
    assert problems == []


# The file.


def test_a_file_is_there_at_once_and_is_written_again(fault_server, tmp_path):
    fault_server.on("GET /", steps.ok({}))
    path = tmp_path / "state.json"
    with write_state(path, every=0.05), Client("filed", base_url=fault_server.url) as client:
        assert json.loads(path.read_text())["every"] == 0.05
        client.get("/")
        until(lambda: [one for one in json.loads(path.read_text())["clients"] if one["calls"] == 1], "the call is told")
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_a_reader_of_the_file_finds_a_whole_document_every_time(tmp_path):
    path = tmp_path / "state.json"
    with write_state(path, every=0.05):
        inodes = set()
        end = time.monotonic() + PATIENCE
        while len(inodes) < 3 and time.monotonic() < end:
            json.loads(path.read_text())
            inodes.add(path.stat().st_ino)


def test_the_last_state_stays_when_it_is_over(fault_server, tmp_path):
    fault_server.on("GET /", steps.ok({}))
    path = tmp_path / "state.json"
    file = write_state(path, every=3600)
    with Client("last", base_url=fault_server.url) as client:
        client.get("/")
        file.stop()
        file.stop()
    assert of(json.loads(path.read_text()), "last")["calls"] == 1


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_state(tmp_path / "nowhere" / "state.json")
    assert EVERYWHERE.listeners == ()


def test_a_folder_that_goes_away_is_told_once_and_it_goes_on_when_it_is_back(tmp_path, caplog):
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "state.json"
    with write_state(path, every=0.05):
        path.unlink()
        until(lambda: _removed(folder), "the folder is away")
        until(lambda: "cannot be written" in caplog.text, "it is told")
        folder.mkdir()
        until(path.exists, "it is written again")
    assert caplog.text.count("cannot be written") == 1


def _removed(folder) -> bool:
    """Whether the folder could be removed: it may have been written to just then."""
    for one in folder.iterdir():
        one.unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("every", [0, -1, 0.01, float("inf"), float("nan"), "1", True, None])
def test_a_wrong_interval_is_told(every, tmp_path):
    with pytest.raises(ConfigError, match="every="):
        write_state(tmp_path / "state.json", every=every)


# Who listens everywhere.


def test_nothing_is_recorded_before_and_after(fault_server):
    fault_server.on("GET /", steps.ok({}))
    with Client("early", base_url=fault_server.url) as client:
        heard = client._audience.now()
        assert CallSucceeded not in heard
        client.get("/")
        with serve_state() as server:
            assert CallSucceeded in client._audience.now()
            assert of(told_by(server), "early")["calls"] == 0
            client.get("/")
            assert of(told_by(server), "early")["calls"] == 1
        assert CallSucceeded not in client._audience.now()


def test_who_listens_everywhere_is_told_of_calls_of_clients_made_before_and_after(fault_server):
    fault_server.on("GET /", steps.ok({}))
    told = []
    with Client("before", base_url=fault_server.url) as before:
        EVERYWHERE.add(told.append)
        EVERYWHERE.add(told.append)  # a bound method is equal to itself: added once
        try:
            with Client("after", base_url=fault_server.url) as after:
                before.get("/")
                after.get("/")
                after.breaker().isolate()
        finally:
            EVERYWHERE.remove(told.append)
    assert [event.call.client for event in told if isinstance(event, CallSucceeded)] == ["before", "after"]
    assert [(event.client, event.after) for event in told if isinstance(event, CircuitChanged)] == [
        ("after", "isolated")
    ]


def test_an_audience_is_made_anew_only_when_someone_came_or_went():
    audience = Audience((), standard=True, http_spans="own")
    first = audience.now()
    assert audience.now() is first

    def listener(event):
        raise AssertionError

    EVERYWHERE.add(listener)
    second = audience.now()
    assert second is not first
    assert audience.now() is second
    EVERYWHERE.remove(listener)
    EVERYWHERE.remove(listener)
    assert CallSucceeded not in audience.now()


def test_clients_without_telemetry_are_not_listened_to():
    audience = Audience((), standard=False, http_spans="own")
    EVERYWHERE.add(print)
    try:
        assert audience.now() == {}
    finally:
        EVERYWHERE.remove(print)


def test_many_threads_come_and_go_and_nobody_is_lost():
    audience = Audience((), standard=True, http_spans="own")
    staying = [lambda event, number=number: number for number in range(8)]
    problems: list[BaseException] = []

    def come_and_go(listener) -> None:
        try:
            for _ in range(300):
                EVERYWHERE.add(listener)
                assert listener in audience.now()[CallSucceeded]
                EVERYWHERE.remove(listener)
                assert listener not in audience.now().get(CallSucceeded, ())
            EVERYWHERE.add(listener)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=come_and_go, args=(listener,)) for listener in staying]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert problems == []
        assert set(EVERYWHERE.listeners) == set(staying)
        assert set(audience.now()[CallSucceeded]) == set(staying)
    finally:
        for listener in staying:
            EVERYWHERE.remove(listener)


# What is remembered.


def given_up(client: str = "c", kind: str = "connect", url: str = "http://x/") -> CallGivenUp:
    call = CallInfo(client, "GET", url, "x", 80, None)
    result = SimpleNamespace(kind=kind, status=None, stopped="budget", attempts=(1,), elapsed=0.5)
    return CallGivenUp(call, result)


def test_the_newest_are_kept():
    now = [100.0]
    recent = Recent(lambda: now[0])
    for number in range(MOST + 5):
        now[0] += 1
        recent(given_up(url=f"http://x/{number}"))
    entries = recent.entries(wall=1000.0)
    assert len(entries) == MOST
    assert entries[0]["url"] == f"http://x/{MOST + 4}"
    assert entries[-1]["url"] == "http://x/5"
    assert [entries[0]["time"], entries[1]["time"]] == [1000.0, 999.0]


def test_rejections_of_one_client_are_one_entry_so_that_causes_stay_in_sight():
    recent = Recent(lambda: 0.0)
    recent(given_up())
    for number in range(1000):
        recent(given_up(client=f"c{number % 2}", kind="circuit_open"))
    told = [(one["client"], one["kind"], one["count"]) for one in recent.entries(0.0)]
    assert told == [("c1", "circuit_open", 500), ("c0", "circuit_open", 500), ("c", "connect", 1)]


def test_a_url_without_end_is_cut():
    recent = Recent(lambda: 0.0)
    recent(given_up(url="http://x/" + "y" * 10_000))
    (entry,) = recent.entries(0.0)
    assert len(entry["url"]) < 400


def test_the_last_minute_moves_and_the_counts_do_not():
    now = [0.0]
    recent = Recent(lambda: now[0])
    recent(given_up())
    now[0] = 59.0
    assert recent.counts()["c"]["failures_last_minute"] == 1
    now[0] = 300.0
    assert recent.counts()["c"] == {
        "calls": 1,
        "failures": 1,
        "cancelled": 0,
        "calls_last_minute": 0,
        "failures_last_minute": 0,
    }


def test_names_without_end_do_not_fill_the_memory():
    recent = Recent(lambda: 0.0)
    for number in range(3000):
        recent(given_up(client=f"c{number}"))
    assert len(recent.counts()) == 1024
    assert "c2999" in recent.counts()


# Processes.

FORKING = """
import json, os, socket, sys, urllib.parse, urllib.request
from resilient_client.publish import serve_state, write_state
from resilient_client.telemetry.everywhere import EVERYWHERE

path = sys.argv[1]
with serve_state() as server, write_state(path, every=3600) as file:
    child = os.fork()
    if child == 0:
        assert EVERYWHERE.listeners == ()
        server.stop()
        file.stop()
        with serve_state() as own:
            document = json.load(urllib.request.urlopen(own.url))
        os._exit(0 if document["pid"] == os.getpid() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert json.load(urllib.request.urlopen(server.url))["pid"] == os.getpid()
    child = os.fork()
    if child == 0:
        os.read(0, 1)  # until the parent has closed its port
        os._exit(0)
try:
    socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(server.url).port), timeout=5)
    code = 1
except ConnectionRefusedError:
    code = 0
sys.stdout.write("done\\n")
sys.stdout.flush()
os.waitpid(child, 0)
sys.exit(code)
"""


def test_a_forked_child_records_nothing_holds_no_port_and_may_publish_itself(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, str(tmp_path / "state.json")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"done\n", process.stderr.read()
        process.stdin.write(b"x")
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("heavy", ["http.server", "socketserver", "resilient_client.publish"])
def test_importing_the_package_does_not_import(heavy):
    code = f"import resilient_client, sys; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_process_that_ends_without_stopping_ends():
    code = "from resilient_client.publish import serve_state; serve_state(); print('end')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=PATIENCE)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"end\n", b"")


def test_no_retry_policy_and_no_bulkhead_are_told_as_such(fault_server):
    policy = Policy(retry=None, bulkhead=None, breaker=None, timeouts=Timeouts(total=None))
    other = Policy(retry=Retry(max_attempts=5))
    with (
        serve_state() as server,
        Client("bare", policy=policy),
        Client("other", base_url=fault_server.url, policy=other),
    ):
        told = of(told_by(server), "bare")
        assert told["base_url"] is None
        assert told["policy"]["max_attempts"] == 1
        assert told["policy"]["total"] is None
        assert told["state"]["permits"] is None
        assert of(told_by(server), "other")["policy"]["max_attempts"] == 5
