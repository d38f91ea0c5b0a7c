"""`call` as a person sees it: the timeline, the answer, the exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from resilient_client.cli.asked import policy_for
from resilient_client.policy import Retry, Timeouts
from resilient_client.testing import FaultServer, steps

ESCAPE = "\x1b"


def test_a_success_is_told_with_its_timeline_head_and_body_and_exits_with_0(cli, fault_server):
    ran = cli("call", "GET", f"{fault_server.url}/text")
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith(f"GET {fault_server.url}/text succeeded: 200 OK, 1 attempt in ")
    assert "attempt 1: 200 OK" in ran.out
    assert ran.out.endswith("200 OK\nContent-Type: text/plain; charset=utf-8\nContent-Length: 2\n\nok\n")
    assert ran.err == ""


def test_a_retry_is_on_the_timeline(cli, fault_server):
    fault_server.on("/", steps.status(500), then=steps.ok())
    ran = cli("call", "get", fault_server.url)
    assert ran.code == 0
    assert "attempt 1: 500" in ran.out
    assert "waited" in ran.out
    assert "attempt 2: 200 OK" in ran.out


def test_a_failure_exits_with_1_and_says_why_it_stopped(cli, fault_server):
    fault_server.on("/", steps.status(503, "sorry"))
    ran = cli("call", "GET", fault_server.url, "--max-attempts", 1)
    assert ran.code == 1
    assert "failed: server_error" in ran.out
    assert "stopped: max_attempts" in ran.out
    assert ran.out.endswith("\n\nsorry\n")
    fault_server.journal.assert_requests(1)


def test_nothing_but_the_number_asked_for_limits_the_attempts_of_one_call():
    policy = policy_for({"total": 5.0, "attempt": None, "connect": None}, max_attempts=20, redirects=0)
    assert policy.timeouts == Timeouts(total=5.0)
    assert policy.retry == Retry(max_attempts=20, budget=None)
    assert policy.breaker is policy.bulkhead is None


def test_no_server_exits_with_1_and_nothing_like_an_answer(cli, fault_server):
    fault_server.down()
    ran = cli("call", "GET", fault_server.url, "--max-attempts", 1)
    assert ran.code == 1
    assert "failed: connect" in ran.out
    assert ran.out.endswith("the server has not seen it\n")


def test_what_was_asked_for_is_sent(cli, fault_server):
    ran = cli(
        *("call", "POST", f"{fault_server.url}/echo", "-H", "X-One: 1", "-H", "X-Two: a: b"),
        *("-d", "hello", "--idempotency-key", "k-1", "--user", "me:secret", "--json"),
    )
    seen = json.loads(json.loads(ran.out)["body"])
    fields = {name.lower(): value for name, value in seen["headers"]}
    assert seen["method"] == "POST"
    assert seen["body"] == "hello"
    assert (fields["x-one"], fields["x-two"], fields["idempotency-key"]) == ("1", "a: b", "k-1")
    assert fields["authorization"].startswith("Basic ")


def test_a_json_body_is_sent_as_it_was_written(cli, fault_server):
    cli("call", "PUT", f"{fault_server.url}/echo", "--json-body", '{"a":  1.50}')
    seen = fault_server.journal.requests[0]
    assert seen.body == b'{"a":  1.50}'
    assert seen.headers["content-type"] == "application/json"


def test_a_json_body_keeps_the_media_type_that_was_given(cli, fault_server):
    cli("call", "PUT", f"{fault_server.url}/echo", "--json-body", "{}", "-H", "content-type: application/vnd.x+json")
    assert fault_server.journal.requests[0].headers.get_list("content-type") == ["application/vnd.x+json"]


def test_a_body_may_come_from_a_file(cli, fault_server, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"\x00\xff")
    cli("call", "POST", f"{fault_server.url}/echo", "--data", f"@{file}")
    assert fault_server.journal.requests[0].body == b"\x00\xff"


def test_expect_decides_what_a_success_is(cli, fault_server):
    fault_server.on("/gone", steps.status(404))
    assert cli("call", "GET", f"{fault_server.url}/gone", "--expect", "200,404").code == 0
    assert cli("call", "GET", f"{fault_server.url}/text", "--expect", "404").code == 1


def test_redirects_are_followed_when_asked_for(cli, fault_server):
    fault_server.on("/old", steps.redirect("/text"))
    assert "302 Found" in cli("call", "GET", f"{fault_server.url}/old").out.splitlines()[0]
    assert cli("call", "GET", f"{fault_server.url}/old", "--redirects", 1).out.endswith("\nok\n")


def test_total_bounds_the_call(cli, fault_server):
    fault_server.on("/", steps.hang())
    ran = cli("call", "GET", fault_server.url, "--total", 0.2)
    assert ran.code == 1
    assert "failed: deadline" in ran.out


def test_async_gives_the_same_result(cli, fault_server):
    ran = cli("call", "GET", f"{fault_server.url}/text", "--async")
    assert ran.code == 0
    assert ran.out.endswith("\nok\n")


def test_http2_is_spoken_on_request(cli):
    with FaultServer(http2=True) as server:
        ran = cli("call", "GET", f"{server.url}/text", "--async", "--http2", "--cacert", server.authority_file())
    assert ran.code == 0


def test_insecure_takes_any_certificate_and_warns_in_one_line(cli):
    with FaultServer(tls="self-signed") as server:
        assert "failed: tls" in cli("call", "GET", server.url).out
        ran = cli("call", "GET", server.url, "--insecure")
    assert ran.code == 0
    assert ran.err.startswith("warning: ")
    assert ran.err.count("\n") == 1


def test_a_unix_socket_is_reached(cli, tmp_path):
    path = str(tmp_path / "s")
    with FaultServer(uds=path):
        assert cli("call", "GET", "http://localhost/text", "--uds", path).code == 0


def test_a_proxy_is_gone_through(cli, fault_server):
    cli("call", "GET", "http://somewhere.example/text", "--proxy", fault_server.url, "--max-attempts", 1)
    assert fault_server.journal.requests[0].target == "http://somewhere.example/text"
    fault_server.script.unexpected.clear()


# The body.


def test_json_is_indented(cli, fault_server):
    fault_server.on("/", steps.ok({"a": [1], "ü": None}))
    assert cli("call", "GET", fault_server.url).out.endswith('\n\n{\n  "a": [\n    1\n  ],\n  "ü": null\n}\n')


@pytest.mark.parametrize("depth", [200, 5000])
def test_json_too_deep_to_indent_is_printed_as_it_is(cli, fault_server, depth):
    fault_server.on("/", steps.deep_json(depth))
    assert cli("call", "GET", fault_server.url).out.endswith("]" * depth + "\n")


def test_a_binary_body_goes_through_a_pipe_untouched(fault_server):
    content = bytes(range(256))
    fault_server.on("/", steps.status(200, content))
    command = [sys.executable, "-W", "error", "-m", "resilient_client", "call", "GET", fault_server.url]
    assert subprocess.run(command, capture_output=True, check=True).stdout.endswith(b"\n\n" + content)


def test_a_body_is_written_to_a_file(cli, fault_server, tmp_path):
    content, file = bytes(range(256)), tmp_path / "body"
    fault_server.on("/", steps.status(200, content))
    ran = cli("call", "GET", fault_server.url, "-o", file)
    assert file.read_bytes() == content
    assert ran.out.endswith(f"256 bytes written to {file}\n")


def test_without_an_answer_no_file_is_written(cli, fault_server, tmp_path):
    file = tmp_path / "body"
    fault_server.on("/", steps.reset())
    cli("call", "GET", fault_server.url, "-o", file, "--max-attempts", 1)
    assert not file.exists()


# On a terminal.


@pytest.fixture
def steering(fault_server):
    fault_server.on("/", steps.text(f"one{ESCAPE}[2Jtwo\r\nthree"))
    return fault_server.url


def test_in_a_pipe_nothing_is_coloured_and_nothing_changed(cli, fault_server, steering):
    ran = cli("call", "GET", steering)
    assert ran.out.endswith(f"one{ESCAPE}[2Jtwo\r\nthree\n")
    assert ran.out.count(ESCAPE) == 1


def test_on_a_terminal_a_server_cannot_steer_it(on_terminal, steering):
    shown = on_terminal("call", "GET", steering, NO_COLOR="1")
    assert ESCAPE not in shown
    assert "one\\x1b[2Jtwo" in shown


def test_on_a_terminal_the_first_line_is_coloured(on_terminal, fault_server):
    assert f"{ESCAPE}[32mGET" in on_terminal("call", "GET", fault_server.url)


def test_on_a_terminal_a_binary_body_is_named_and_not_shown(on_terminal, fault_server):
    fault_server.on("/", steps.status(200, b"\x00\x01\x02", headers=[("Content-Type", "image/png")]))
    assert "3 bytes of image/png" in on_terminal("call", "GET", fault_server.url)
