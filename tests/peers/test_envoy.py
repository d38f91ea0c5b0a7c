"""Envoy as the server: its injected faults, its overload, and a drain under load, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import pytest
from peers import envoy as peer
from peers.certificates import CERTIFICATES
from peers.charges import NUMBERED, assert_none_arrived_twice, taken_by

from resilient_client import FailureKind, Policy, Retry, Timeouts
from resilient_client.testing import steps

ONCE = Policy(retry=None)
PROMPT = Policy(retry=Retry(wait_initial=0.01, wait_max=0.01))
TWICE = Policy(retry=Retry(max_attempts=2, wait_initial=0.01, wait_max=0.05, budget=None), breaker=None)

BEFORE, AFTER = 150, 300


@pytest.fixture(scope="module")
def envoy(tmp_path_factory, far_side):
    with peer.running(tmp_path_factory.mktemp("envoy"), far_side.port) as proxy:
        yield proxy


def tls(http2=False):
    return {"verify": CERTIFICATES.client_context(), "http2": http2}


# Faults.


def test_an_injected_delay_is_cut_by_the_attempt_timeout(way, envoy):
    policy = Policy(retry=None, timeouts=Timeouts(attempt=0.2))
    failure = way.call(way.client(envoy.url("plain"), policy=policy), "GET", "/delayed")
    assert failure.kind is FailureKind.ATTEMPT_TIMEOUT
    assert failure.elapsed < 1.5


def test_an_injected_delay_over_http2_costs_its_own_stream_only(tasks, envoy):
    client = tasks.client(envoy.url("tls"), policy=ONCE, **tls(http2=True))
    impatient = Policy(retry=None, timeouts=Timeouts(attempt=0.2))
    assert tasks.call(client, "GET", "/delayed", policy=impatient).kind is FailureKind.ATTEMPT_TIMEOUT
    assert all(tasks.together(client, 20, "GET", "/hello"))


def test_an_injected_abort_is_retried_until_attempts_are_used_up(way, envoy):
    failure = way.call(way.client(envoy.url("plain"), policy=PROMPT), "GET", "/aborted")
    assert (failure.kind, failure.status, len(failure.attempts)) == (FailureKind.SERVER_ERROR, 503, 3)


def test_aborts_of_some_calls_are_healed_by_retries(way, envoy, origin):
    """Three of ten attempts fail; that sixteen in a row do has a chance of 4 in a thousand million."""
    origin.on("/sometimes", steps.ok())
    policy = Policy(retry=Retry(max_attempts=16, wait_initial=0.001, wait_max=0.001, budget=None), breaker=None)
    with way.load(way.client(envoy.url("plain"), policy=policy), "GET", "/sometimes") as load:
        load.calls(AFTER)
    load.assert_no_failures()
    assert load.sent_again > 0.1 * len(load.results)


def test_a_ration_is_waited_for_as_long_as_envoy_says(tasks, envoy, origin):
    origin.on("/rationed", steps.ok())
    client = tasks.client(envoy.url("tls"), policy=PROMPT, **tls(http2=True))
    results = [tasks.call(client, "GET", "/rationed").unwrap() for _ in range(2)]
    limited = [attempt for result in results for attempt in result.attempts if attempt.status == 429]
    assert limited
    assert all(attempt.wait >= 1 for attempt in limited)


def test_an_upstream_that_is_late_is_a_504(way, envoy, origin):
    origin.on("/late", steps.hang())
    failure = way.call(way.client(envoy.url("plain"), policy=ONCE), "GET", "/late")
    assert (failure.kind, failure.status) == (FailureKind.SERVER_ERROR, 504)


def test_a_dead_upstream_is_a_503(way, envoy):
    failure = way.call(way.client(envoy.url("plain"), policy=PROMPT), "GET", "/nobody")
    assert (failure.kind, failure.status, len(failure.attempts)) == (FailureKind.SERVER_ERROR, 503, 3)


def test_overload_is_said_with_a_503(way, envoy, origin):
    origin.on("/one", steps.ok(after=0.3))
    results = way.together(way.client(envoy.url("plain"), policy=ONCE), 5, "GET", "/one")
    turned_away = [result for result in results if not result]
    assert {failure.status for failure in turned_away} == {503}
    assert all(failure.headers["x-envoy-overloaded"] == "true" for failure in turned_away)
    assert any(results)


# What an upstream breaks, Envoy breaks further on.


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_body_cut_behind_envoy_is_truncated(tasks, envoy, origin, http2):
    origin.on("/cut", steps.short_body())
    client = tasks.client(envoy.url("tls"), policy=ONCE, **tls(http2))
    assert tasks.call(client, "GET", "/cut").kind is FailureKind.TRUNCATED


def test_a_body_cut_behind_envoy_is_truncated_for_threads(threads, envoy, origin):
    origin.on("/cut", steps.short_body())
    assert threads.call(threads.client(envoy.url("plain"), policy=ONCE), "GET", "/cut").kind is FailureKind.TRUNCATED


def test_a_connection_reset_behind_envoy_is_its_503(way, envoy, origin):
    origin.on("/reset", steps.reset())
    failure = way.call(way.client(envoy.url("plain"), policy=ONCE), "GET", "/reset")
    assert (failure.kind, failure.status) == (FailureKind.SERVER_ERROR, 503)


# Connections that end.


def test_the_last_request_of_a_connection_costs_no_post(way, envoy, origin):
    client = way.client(envoy.url("brief"), policy=ONCE)
    with way.load(client, "POST", taken_by(origin), **NUMBERED) as load:
        load.calls(AFTER)
    load.assert_no_failures()
    assert_none_arrived_twice(origin.journal)


def test_the_last_request_of_an_http2_connection_costs_no_call(tasks, envoy):
    """Envoy says GOAWAY after each five requests, while fifty are on their way."""
    client = tasks.client(envoy.url("brief_tls"), policy=TWICE, **tls(http2=True))
    with tasks.load(client, "GET", "/hello") as load:
        load.calls(AFTER)
    load.assert_no_failures()


@pytest.fixture
def two(tmp_path, far_side):
    with peer.several(tmp_path, far_side.port, 2) as envoys:
        yield envoys


def busier(two):
    """The one that has more of the connections: of a single one for HTTP/2, that one."""
    return max(two, key=peer.Envoy.connections)


def drained(load, two):
    """Drain one under load, and stop it when it is rid of its connections; the other one stays."""
    load.calls(BEFORE)
    envoy = busier(two)
    envoy.drain()
    envoy.process.kill()
    load.calls(AFTER)


def test_a_drain(way, two):
    with way.load(way.client(two[0].url("plain"), policy=TWICE), "GET", "/hello") as load:
        drained(load, two)
    load.assert_no_failures()


def test_a_drain_over_http2(tasks, two):
    client = tasks.client(two[0].url("tls"), policy=TWICE, **tls(http2=True))
    with tasks.load(client, "GET", "/hello") as load:
        drained(load, two)
    load.assert_no_failures()


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_posts_arrive_once_during_a_drain(tasks, two, origin, http2):
    client = tasks.client(two[0].url("tls"), policy=TWICE, **tls(http2))
    with tasks.load(client, "POST", taken_by(origin), **NUMBERED) as load:
        drained(load, two)
    assert_none_arrived_twice(origin.journal)
    if http2:
        load.assert_no_failures()
    # HTTP/1.1 has no word for a connection that closes just as a request goes out: that one is told, not sent again.
    assert {(failure.kind, failure.stopped) for failure in load.failures} <= {("reset", "not_idempotent")}


def test_one_of_two_is_killed(way, two):
    with way.load(way.client(two[0].url("plain"), policy=TWICE), "GET", "/hello") as load:
        load.calls(BEFORE)
        busier(two).process.kill()
        load.calls(AFTER)
    load.assert_no_failures()


def test_one_of_two_is_killed_over_http2(tasks, two):
    client = tasks.client(two[0].url("tls"), policy=TWICE, **tls(http2=True))
    with tasks.load(client, "GET", "/hello") as load:
        load.calls(BEFORE)
        busier(two).process.kill()
        load.calls(AFTER)
    load.assert_no_failures()
