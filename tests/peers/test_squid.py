"""squid as the proxy: with and without tunnels, with passwords, killed in the middle and under load."""

from __future__ import annotations

import threading

import pytest
from peers import squid as peer
from peers.charges import KEYED, NUMBERED, assert_each_took_effect_once, assert_none_arrived_twice, taken_by
from peers.ports import reserved

from resilient_client import FailureKind, Policy, Retry
from resilient_client.testing import FaultServer, steps

PROMPT = Policy(retry=Retry(wait_initial=0.01, wait_max=0.01))
PATIENT = Policy(retry=Retry(max_attempts=60, wait_initial=0.2, wait_max=0.2, jitter="none", budget=None), breaker=None)
"""Attempts until a squid that was killed is there again, on a machine that has other things to do."""

BEFORE, AFTER = 100, 200
LOGIN = "me:open%20sesame@"


@pytest.fixture(scope="module")
def squid():
    with peer.running() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def secure_far_side():
    with FaultServer(tls="valid") as server:
        yield server


@pytest.fixture
def secure(secure_far_side):
    secure_far_side.journal.clear()
    return secure_far_side


@pytest.fixture(params=["forwarded", "tunnelled"])
def target(request, origin, secure):
    """An origin behind squid: reached by plain http, and through a CONNECT tunnel."""
    return origin if request.param == "forwarded" else secure


@pytest.fixture(params=["http", "https"])
def nowhere(request):
    """A URL whose port refuses."""
    with reserved(1) as (port,):
        yield f"{request.param}://127.0.0.1:{port}"


def client_of(way, target, proxy, policy=PROMPT):
    verify = {"verify": target.client_context()} if target.url.startswith("https") else {}
    return way.client(target.url, proxy=proxy, policy=policy, **verify)


# Who may.


def test_calls_go_through_squid_over_one_connection(way, squid, target):
    client = client_of(way, target, squid.open)
    results = [way.call(client, "GET", "/text") for _ in range(3)]
    assert [result.unwrap().text for result in results] == ["ok"] * 3
    assert [attempt.reused for result in results for attempt in result.attempts] == [False, True, True]


def test_squid_lets_in_who_knows_the_password(way, squid, target):
    assert way.call(client_of(way, target, squid.guarded(LOGIN)), "GET", "/text").ok


@pytest.mark.parametrize("login", ["", "me:wrong@", "you:open%20sesame@"])
def test_squid_asks_others_for_a_password_once(way, squid, origin, secure, login):
    plain = way.call(client_of(way, origin, squid.guarded(login)), "GET", "/text")
    assert (plain.kind, plain.status, len(plain.attempts)) == (FailureKind.CLIENT_ERROR, 407, 1)
    tunnel = way.call(client_of(way, secure, squid.guarded(login)), "GET", "/text")
    assert (tunnel.kind, tunnel.status, len(tunnel.attempts)) == (FailureKind.CONNECT, None, 1)
    assert "407 Proxy Authentication Required" in tunnel.message
    assert origin.journal.requests == secure.journal.requests == []


def test_the_password_is_for_squid_alone(way, squid, target):
    assert way.call(client_of(way, target, squid.guarded(LOGIN)), "GET", "/text").ok
    assert "proxy-authorization" not in target.journal.requests[0].headers


def test_what_squid_denies_is_denied_once(way, squid):
    plain = way.call(way.client("http://denied.test", proxy=squid.open, policy=PROMPT), "GET", "/")
    assert (plain.kind, plain.status, len(plain.attempts)) == (FailureKind.CLIENT_ERROR, 403, 1)
    tunnel = way.call(way.client("https://denied.test", proxy=squid.open, policy=PROMPT), "GET", "/")
    assert (tunnel.kind, len(tunnel.attempts)) == (FailureKind.CONNECT, 1)
    assert "403" in tunnel.message


# Who is not there.


def test_an_origin_that_squid_cannot_reach_is_tried_again(way, squid, nowhere):
    failure = way.call(way.client(nowhere, proxy=squid.open, policy=PROMPT), "GET", "/")
    expected = (FailureKind.SERVER_ERROR, 503) if nowhere.startswith("http:") else (FailureKind.CONNECT, None)
    assert ((failure.kind, failure.status), len(failure.attempts)) == (expected, 3)


def test_a_post_is_tried_again_only_when_no_tunnel_stood(way, squid, nowhere):
    failure = way.call(way.client(nowhere, proxy=squid.open, policy=PROMPT), "POST", "/")
    assert len(failure.attempts) == (1 if nowhere.startswith("http:") else 3)


# Squid that dies.


def test_squid_that_dies_in_the_middle_of_an_answer_truncates_it(way, target):
    target.on("/endless", steps.endless_body(every=0.01))
    with peer.running() as proxy:
        client = client_of(way, target, proxy.open, Policy(retry=None))
        killing = threading.Thread(target=lambda: (target.journal.wait_until(_some_body), proxy.kill()))
        killing.start()
        failure = way.call(client, "GET", "/endless")
        killing.join()
    assert (failure.kind, failure.sent) == (FailureKind.TRUNCATED, True)


def _some_body(journal):
    return journal.bytes_out > 1_000_000


def killed_under(load, squid):
    """Kill it and start it again."""
    load.calls(BEFORE)
    squid.kill()
    squid.start()
    load.calls(AFTER)


def test_squid_is_killed_and_started_again(way, squid, target):
    with way.load(client_of(way, target, squid.open, PATIENT), "GET", "/text") as load:
        killed_under(load, squid)
    load.assert_no_failures()


def test_posts_arrive_once_while_squid_is_killed(way, squid, target):
    client = client_of(way, target, squid.open, PATIENT)
    with way.load(client, "POST", taken_by(target), **NUMBERED) as load:
        killed_under(load, squid)
    assert_none_arrived_twice(target.journal)
    assert {failure.kind for failure in load.failures} <= {FailureKind.RESET, FailureKind.TRUNCATED}
    assert all(failure.stopped == "not_idempotent" for failure in load.failures)


def test_keyed_posts_all_succeed_while_squid_is_killed(way, squid, target):
    client = client_of(way, target, squid.open, PATIENT)
    with way.load(client, "POST", taken_by(target), **KEYED) as load:
        killed_under(load, squid)
    load.assert_no_failures()
    assert_each_took_effect_once(target.journal, len(load.results))
