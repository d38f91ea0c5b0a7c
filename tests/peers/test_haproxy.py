"""haproxy as the server: its answers without a server behind it, its queues, and reloads under load."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from peers import haproxy as peer
from peers.certificates import CERTIFICATES
from peers.charges import KEYED, NUMBERED, assert_each_took_effect_once, assert_none_arrived_twice, taken_by

from resilient_client import Bulkhead, FailureKind, Policy, Retry, Timeouts
from resilient_client.testing import steps

ONCE = Policy(retry=None)
PROMPT = Policy(retry=Retry(wait_initial=0.01, wait_max=0.01))
TWICE = Policy(retry=Retry(max_attempts=2, wait_initial=0.01, wait_max=0.05, budget=None), breaker=None)

BEFORE, AFTER = 150, 300


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory, far_side):
    with peer.running(tmp_path_factory.mktemp("haproxy"), far_side.port) as proxy:
        yield proxy


# Saying no.


@pytest.mark.parametrize(
    ("path", "kind", "status", "attempts"),
    [
        ("/denied", FailureKind.CLIENT_ERROR, 403, 1),
        ("/broken", FailureKind.SERVER_ERROR, 500, 3),
        ("/nobody", FailureKind.SERVER_ERROR, 503, 3),
        ("/rejected", FailureKind.RESET, None, 3),
    ],
)
def test_haproxy_says_no(way, haproxy, path, kind, status, attempts):
    failure = way.call(way.client(haproxy.plain, policy=PROMPT), "GET", path)
    assert (failure.kind, failure.status, len(failure.attempts)) == (kind, status, attempts)


def test_a_pause_that_haproxy_asks_for_is_kept(threads, haproxy):
    failure = threads.call(threads.client(haproxy.plain, policy=TWICE), "GET", "/later")
    assert (failure.status, failure.retry_after) == (503, 1)
    assert failure.attempts[0].wait >= 1


def test_a_connection_that_is_dropped_in_silence_ends_by_timeout(way, haproxy):
    """Where haproxy may not drop in silence, for want of a right to touch the TTL, it resets."""
    policy = Policy(retry=None, timeouts=Timeouts(read=0.3))
    failure = way.call(way.client(haproxy.plain, policy=policy), "GET", "/dropped")
    assert failure.kind in {FailureKind.READ_TIMEOUT, FailureKind.RESET}


def test_a_large_upload_that_is_denied_is_answered_before_it_was_sent(way, haproxy, origin):
    client = way.client(haproxy.plain, policy=Policy())
    began = time.monotonic()
    failure = way.call(client, "PUT", "/small", content=bytes(32 * 1024 * 1024))
    assert (failure.kind, failure.status, len(failure.attempts)) == (FailureKind.CLIENT_ERROR, 413, 1)
    assert time.monotonic() - began < 5
    assert origin.journal.requests == []


# Queues.


def test_who_waits_too_long_for_a_server_gets_a_503(way, haproxy, origin):
    origin.on("/queued", steps.ok(after=0.5))
    results = way.together(way.client(haproxy.plain, policy=ONCE), 3, "GET", "/queued")
    assert Counter(result.status for result in results) == {200: 1, 503: 2}
    assert origin.journal.most_at_once == 1


def test_a_server_that_is_down_is_passed_over_by_haproxy_itself(way, haproxy, origin):
    origin.on("/some", steps.ok())
    client = way.client(haproxy.plain, policy=ONCE)
    results = [way.call(client, "GET", "/some") for _ in range(4)]
    assert all(result.ok and len(result.attempts) == 1 for result in results)


def test_as_many_permits_as_haproxy_has_connections_and_nobody_fails(way, haproxy, origin):
    """With more permits, connections wait in the kernel for those that idle in the client."""
    origin.on("/crowd", steps.ok(after=0.01))
    policy = Policy(retry=None, bulkhead=Bulkhead(max_concurrent=4, max_waiting=100))
    results = way.together(way.client(haproxy.crowded, policy=policy), 30, "GET", "/crowd")
    assert all(results)
    assert 2 <= origin.journal.most_at_once <= 4


# Reloads under load.


@pytest.fixture(params=["plain", "tls"])
def client(request, way, haproxy):
    verify = {"verify": CERTIFICATES.client_context()} if request.param == "tls" else {}
    return way.client(getattr(haproxy, request.param), policy=TWICE, **verify)


def reload_under(load, haproxy, times):
    """Reload now and then; each predecessor ends by itself when it has nothing left to do."""
    for _ in range(times):
        load.calls(BEFORE)
        before = haproxy.reload()
        load.calls(AFTER)
        before.wait_ended()


def test_reloads(way, client, haproxy):
    with way.load(client, "GET", "/hello") as load:
        reload_under(load, haproxy, times=2)
    load.assert_no_failures()


def test_reloads_over_http2(tasks, haproxy):
    client = tasks.client(haproxy.tls, verify=CERTIFICATES.client_context(), http2=True, policy=TWICE)
    with tasks.load(client, "GET", "/hello") as load:
        reload_under(load, haproxy, times=2)
    load.assert_no_failures()


def test_posts_arrive_once_during_a_reload(way, haproxy, origin):
    client = way.client(haproxy.plain, policy=TWICE)
    with way.load(client, "POST", taken_by(origin), **NUMBERED) as load:
        reload_under(load, haproxy, times=1)
    assert_none_arrived_twice(origin.journal)
    assert {failure.kind for failure in load.failures} <= {FailureKind.RESET, FailureKind.TRUNCATED}


def test_keyed_posts_all_succeed_during_a_reload(way, haproxy, origin):
    client = way.client(haproxy.plain, policy=TWICE)
    with way.load(client, "POST", taken_by(origin), **KEYED) as load:
        reload_under(load, haproxy, times=1)
    load.assert_no_failures()
    assert_each_took_effect_once(origin.journal, len(load.results))
