"""`serve`: starts, says what is there, answers, logs, and ends cleanly."""

from __future__ import annotations

import signal

import pytest

from resilient_client import Client, Policy, Timeouts
from resilient_client.cli.routes import FAULTS, STATUSES, new_script

NO_RETRY = Policy(retry=None, timeouts=Timeouts(total=30))
QUICK = Policy(retry=None, timeouts=Timeouts(total=0.9))


def served(running) -> str:
    """Return the URL once the server has said all it says at its start."""
    url = running.line_with("listening on ").split()[2]
    running.line_with("/status/503")
    return url


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_with_the_summary_and_0(spawn, number):
    running = spawn("serve")
    url = served(running)
    with Client("test", base_url=url, policy=NO_RETRY) as client:
        assert client.get("/text").unwrap().text == "ok"
        running.line_with("GET /text -> 200, connection 1 (new)")
        assert client.get("/status/503", params={"token": "hunter2"}).status == 503
        running.line_with("GET /status/503?token=REDACTED -> 503, connection 1 (reused)")
    running.send(number)
    ran = running.end()
    assert ran.code == 0
    assert ran.err == ""
    assert "2 requests over 1 connections, at most 1 at once" in ran.out
    assert "1  GET /text -> 200" in ran.out


def test_it_says_that_it_is_for_tests_and_what_there_is(spawn):
    running = spawn("serve")
    served(running)
    running.send(signal.SIGTERM)
    out = running.end().out
    assert "loopback only, for tests" in out
    for path in ("GET /", "/text", "/echo", "POST /upload", "/flaky", "/retry-after/2", *(f.path for f in FAULTS)):
        assert f"  {path} " in out


def test_a_request_that_hangs_or_goes_nowhere_is_logged_too(spawn):
    running = spawn("serve")
    with Client("test", base_url=served(running), policy=QUICK) as client:
        assert client.get("/fault/hang").ok is False
        running.line_with("GET /fault/hang -> no status")  # aborted by the client, or told while it still hangs
        assert client.get("/nowhere").status == 404
        running.line_with("GET /nowhere -> 404")
    assert running.lines[-1].endswith(", no such route")


FILE = """
from resilient_client.testing import Script, steps


def add_routes(script: Script) -> None:
    script.on("GET /mine", steps.status(503), then=steps.text("mine"))
    script.on("/text", steps.text("also mine"))
"""


def test_a_file_adds_routes_that_come_first(spawn, tmp_path):
    file = tmp_path / "routes.py"
    file.write_text(FILE)
    running = spawn("serve", "--script", file)
    url = served(running)
    assert any("GET /mine" in line for line in running.lines)
    with Client("test", base_url=url, policy=NO_RETRY) as client:
        assert [client.get("/mine").status for _ in range(2)] == [503, 200]
        assert client.get("/text").unwrap().text == "also mine"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x = 1\n", "add_routes"),
        ("def add_routes(:\n", "SyntaxError"),
        ("\n1 / 0\n", "ZeroDivisionError: division by zero (line 2)"),
        ("def add_routes(script):\n    script.on('nonsense', 1)\n", "(line 2)"),
    ],
)
def test_a_file_that_is_wrong_is_told_in_one_line(cli, tmp_path, content, told):
    file = tmp_path / "routes.py"
    file.write_text(content)
    ran = cli("serve", "--script", file)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert told in ran.err


def test_a_port_that_is_taken_is_told_in_one_line(cli, fault_server):
    ran = cli("serve", "--port", fault_server.port)
    assert ran.code == 2
    assert f"port {fault_server.port}" in ran.err
    assert ran.err.count("\n") == 1


def test_tls_says_how_to_trust_it(spawn):
    running = spawn("serve", "--http2")
    url = served(running)
    authority = running.line_with("--cacert").split("--cacert ")[1].split()[0]
    with Client("test", base_url=url, policy=NO_RETRY, verify=authority) as client:
        assert client.get("/text").ok


def test_every_route_has_a_step():
    script = new_script(None)
    paths = [*(fault.path for fault in FAULTS), *(f"/status/{status}" for status in STATUSES)]
    assert all(script.choose("GET", path, 1)[0] is not None for path in paths)
