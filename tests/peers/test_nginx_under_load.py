"""nginx that is reloaded, killed and stopped under load: no failure that one retry could have saved, nothing twice."""

from __future__ import annotations

import pytest
from peers import nginx as peer
from peers.certificates import CERTIFICATES
from peers.charges import KEYED, NUMBERED, assert_each_took_effect_once, assert_none_arrived_twice, taken_by

from resilient_client import FailureKind, Policy, Retry

TWICE = Policy(retry=Retry(max_attempts=2, wait_initial=0.01, wait_max=0.05, budget=None), breaker=None)
"""One retry for each call, and nothing that would rather spare a server that is on its way out."""

BEFORE, AFTER = 150, 300
"""Calls before something happens, and after it."""


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, far_side):
    with peer.running(tmp_path_factory.mktemp("nginx"), far_side.port) as server:
        yield server


@pytest.fixture(params=["plain", "tls"])
def client(request, way, nginx):
    verify = {"verify": CERTIFICATES.client_context()} if request.param == "tls" else {}
    return way.client(getattr(nginx, request.param), policy=TWICE, **verify)


def test_reloads(way, client, nginx):
    with way.load(client, "GET", "/connection") as load:
        for _ in range(3):
            load.calls(BEFORE)
            nginx.reload()
        load.calls(AFTER)
    load.assert_no_failures()


def test_a_worker_is_killed(way, client, nginx):
    with way.load(client, "GET", "/connection") as load:
        load.calls(BEFORE)
        nginx.kill_a_worker()
        load.calls(AFTER)
    load.assert_no_failures()


def test_reloads_over_http2(tasks, nginx):
    client = tasks.client(nginx.tls, verify=CERTIFICATES.client_context(), http2=True, policy=TWICE)
    with tasks.load(client, "GET", "/connection") as load:
        for _ in range(3):
            load.calls(BEFORE)
            nginx.reload()
        load.calls(AFTER)
    load.assert_no_failures()


def test_a_worker_is_killed_over_http2(tasks, nginx):
    client = tasks.client(nginx.tls, verify=CERTIFICATES.client_context(), http2=True, policy=TWICE)
    with tasks.load(client, "GET", "/connection") as load:
        load.calls(BEFORE)
        nginx.kill_a_worker()
        load.calls(AFTER)
    load.assert_no_failures()


def test_one_of_two_is_stopped(way, tmp_path, far_side):
    with peer.several([tmp_path / "one", tmp_path / "other"], far_side.port) as both:
        client = way.client(both[0].plain, policy=TWICE)
        with way.load(client, "GET", "/connection") as load:
            load.calls(BEFORE)
            both[0].quit()
            load.calls(AFTER)
    load.assert_no_failures()


def test_posts_arrive_once_while_workers_are_killed_and_reloaded(way, nginx, origin):
    client = way.client(nginx.plain, policy=TWICE)
    with way.load(client, "POST", taken_by(origin), **NUMBERED) as load:
        load.calls(BEFORE)
        nginx.kill_a_worker()
        load.calls(BEFORE)
        nginx.reload()
        load.calls(AFTER)
    assert_none_arrived_twice(origin.journal)
    assert {failure.kind for failure in load.failures} <= {FailureKind.RESET, FailureKind.TRUNCATED}
    assert all(failure.stopped == "not_idempotent" for failure in load.failures)


def test_keyed_posts_all_succeed_and_keep_their_keys(way, nginx, origin):
    client = way.client(nginx.plain, policy=TWICE)
    with way.load(client, "POST", taken_by(origin), **KEYED) as load:
        load.calls(BEFORE)
        nginx.kill_a_worker()
        load.calls(BEFORE)
        nginx.reload()
        load.calls(AFTER)
    load.assert_no_failures()
    assert_each_took_effect_once(origin.journal, len(load.results))
