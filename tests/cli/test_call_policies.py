"""`call --policies`: a call as a program makes it that reads the same file."""

from __future__ import annotations

import json

import pytest

from resilient_client.cli.asked import overrides_for
from resilient_client.testing import FaultServer, steps

SECRET = "hunter2"


@pytest.fixture
def file(written, fault_server, monkeypatch):
    monkeypatch.setenv("TOKEN", SECRET)
    return written(
        f"""
        [clients.orders]
        extends = "interactive"
        base_url = "{fault_server.url}/api"
        headers = {{ Authorization = "Bearer ${{TOKEN}}", X-Team = "checkout" }}
        timeouts = {{ attempt = "5s", total = "20s" }}
        retry = {{ wait_initial = 0, wait_max = 0 }}
        [[clients.orders.routes]]
        match = "GET /orders/{{id}}"
        retry = {{ max_attempts = 4 }}
        [clients.nowhere]
        """
    )


@pytest.fixture(params=[[], ["--async"]], ids=["blocking", "async"])
def facade(request):
    return request.param


@pytest.fixture
def call(cli, file, facade):
    return lambda *arguments: cli("call", "--policies", file, *arguments, *facade)


def test_the_file_says_where_and_what_is_sent(call, fault_server):
    fault_server.on("GET /api/orders", steps.text("ok"))
    ran = call("orders", "get", "/orders", "-H", "X-Team: mine")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"GET {fault_server.url}/api/orders succeeded: 200 OK")
    seen = fault_server.journal.requests[0].headers
    assert (seen["authorization"], seen["x-team"]) == (f"Bearer {SECRET}", "mine")


def test_the_file_says_how_often(call, fault_server):
    fault_server.on("/api/orders", steps.status(503))
    assert call("orders", "GET", "/orders").code == 1
    fault_server.journal.assert_requests(2)


def test_a_route_of_the_file_holds(call, fault_server):
    fault_server.on("/api/orders/42", steps.status(503))
    ran = call("orders", "GET", "/orders/42")
    assert ran.code == 1
    assert "attempt 4: 503" in ran.out
    fault_server.journal.assert_requests(4)


def test_the_environment_stands_above_the_file(call, fault_server, monkeypatch):
    monkeypatch.setenv("RESILIENT_CLIENT__CLIENTS__ORDERS__RETRY", "off")
    fault_server.on("/api/orders", steps.status(503))
    call("orders", "GET", "/orders")
    fault_server.journal.assert_requests(1)


def test_options_stand_above_the_file_and_its_routes(call, fault_server):
    fault_server.on("/api/orders/42", steps.status(503))
    call("orders", "GET", "/orders/42", "--max-attempts", 1)
    fault_server.journal.assert_requests(1)


def test_total_bounds_the_call(call, fault_server):
    fault_server.on("/api/orders", steps.hang())
    ran = call("orders", "GET", "/orders", "--total", 0.2, "--attempt", 0.2)
    assert ran.code == 1
    assert "failed: deadline" in ran.out


def test_redirects_are_followed_when_asked_for(call, fault_server):
    fault_server.on("/api/old", steps.redirect("/api/new"))
    fault_server.on("/api/new", steps.text("new"))
    assert "302 Found" in call("orders", "GET", "/old").out
    assert call("orders", "GET", "/old", "--redirects", 1).out.endswith("\nnew\n")


def test_only_what_was_given_stands_above_the_file():
    nothing = {"total": None, "attempt": None, "connect": None}
    assert overrides_for(nothing, None, None) == {}
    assert overrides_for({**nothing, "total": 2.0}, 5, 0) == {
        "timeouts": {"total": 2.0},
        "retry": {"max_attempts": 5},
        "redirects": 0,
    }


def test_the_other_options_hold_as_well(call, fault_server, tmp_path):
    fault_server.on("POST /api/orders", steps.reset(), then=steps.status(404, "gone"))
    body = tmp_path / "body"
    ran = call(
        *("orders", "POST", "/orders", "--json-body", "{}", "--idempotency-key", "order-1"),
        *("--expect", "404", "-o", body, "--user", "me:secret", "--json"),
    )
    told = json.loads(ran.out)
    assert (ran.code, told["ok"], told["status"], len(told["attempts"])) == (0, True, 404, 2)
    assert body.read_text() == "gone"
    assert fault_server.journal.requests[-1].headers["content-type"] == "application/json"
    assert fault_server.journal.requests[-1].headers["authorization"].startswith("Basic ")


def test_the_way_to_the_server_can_be_given(cli, written, facade):
    with FaultServer(tls="self-signed") as server:
        file = written(f'[clients.a]\nbase_url = "{server.url}"\nretry = "off"\n')
        assert "failed: tls" in cli("call", "--policies", file, "a", "GET", "/text", *facade).out
        ran = cli("call", "--policies", file, "a", "GET", "/text", "--insecure", *facade)
    assert ran.code == 0
    assert ran.err.startswith("warning: ")


def test_without_such_an_option_the_file_says_whom_to_trust(cli, written, facade):
    with FaultServer(tls="valid") as server:
        file = written(f'[clients.a]\nbase_url = "{server.url}"\nverify = "{server.authority_file()}"\nretry = "off"\n')
        assert cli("call", "--policies", file, "a", "GET", "/text", *facade).code == 0


def test_http2_is_spoken_on_request(cli, written):
    with FaultServer(http2=True) as server:
        file = written(f'[clients.a]\nbase_url = "{server.url}"\n')
        options = ("--async", "--http2", "--cacert", server.authority_file())
        assert cli("call", "--policies", file, "a", "GET", "/text", *options).code == 0


def test_a_proxy_is_gone_through(cli, written, fault_server, facade):
    file = written('[clients.a]\nbase_url = "http://somewhere.example"\nretry = "off"\n')
    cli("call", "--policies", file, "a", "GET", "/text", "--proxy", fault_server.url, *facade)
    assert fault_server.journal.requests[0].target == "http://somewhere.example/text"
    fault_server.script.unexpected.clear()


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_no_secret_of_the_file_is_printed(call, fault_server, as_json):
    fault_server.on("/api/orders", steps.status(500))
    ran = call("orders", "GET", "/orders?token=" + SECRET, *as_json)
    assert ran.code == 1
    assert SECRET not in ran.out + ran.err


# What is wrong.


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "nothing was given"),
        (["orders"], "write CLIENT METHOD PATH"),
        (["orders", "GET"], "write CLIENT METHOD PATH"),
        (["orders", "GET", "/a", "/b"], "write CLIENT METHOD PATH"),
        (["order", "GET", "/a"], "did you mean 'orders'?"),
        (["orders", "NO GOOD", "/a"], "not an HTTP method"),
        (["orders", "GET", "http://elsewhere.example/a"], "leaves base_url"),
        (["orders", "GET", "http://me:secret@elsewhere.example/a"], "--user"),
        (["orders", "GET", "../a"], "'../a'"),
        (["nowhere", "GET", "/a"], "base_url"),
        (["orders", "GET", "/a", "--total", "-1"], "clients.orders.timeouts.total = -1.0: must be"),
        (["orders", "GET", "/a", "--total", "1"], "attempt must not be longer than total"),
        (["orders", "GET", "/a", "--max-attempts", "0"], "clients.orders.retry.max_attempts = 0: must be"),
        (["orders", "GET", "/a", "--redirects", "11"], "clients.orders.redirects = 11: must be"),
        (["orders", "GET", "/a", "--proxy", "nonsense"], "proxy='nonsense'"),
    ],
)
def test_wrong_usage_is_one_line_and_2(call, fault_server, arguments, named):
    ran = call(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert named in ran.err
    assert SECRET not in ran.err
    fault_server.journal.assert_requests(0)


@pytest.mark.parametrize("arguments", [[], ["GET"], ["orders", "GET", "/a"]])
def test_without_a_file_the_number_of_arguments_is_another(cli, arguments):
    ran = cli("call", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "write METHOD URL, or --policies FILE CLIENT METHOD PATH" in ran.err
    assert ran.err.count("\n") == 1


def test_a_variable_that_is_missing_is_named(call, monkeypatch):
    monkeypatch.delenv("TOKEN")
    ran = call("orders", "GET", "/a")
    assert (ran.code, ran.out) == (2, "")
    assert "${TOKEN}" in ran.err


def test_a_file_with_mistakes_makes_no_call(cli, written, facade):
    file = written("[clients.a]\nretri = 1\n")
    ran = cli("call", "--policies", file, "a", "GET", "/", *facade)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == cli("check", file).out.splitlines()
