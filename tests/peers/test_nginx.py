"""nginx as the server: how it keeps connections, codes bodies, and says no."""

from __future__ import annotations

import os
import time

import pytest
from peers import nginx as peer
from peers.certificates import CERTIFICATES
from peers.charges import NUMBERED, assert_none_arrived_twice, taken_by

from resilient_client import FailureKind, Policy, Retry
from resilient_client.testing import steps

ONCE = Policy(retry=None)
PROMPT = Policy(retry=Retry(wait_initial=0.01, wait_max=0.01))
LARGE = 32 * 1024 * 1024
LINE = b"the same line, again and again\n"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, far_side):
    with peer.running(tmp_path_factory.mktemp("nginx"), far_side.port) as server:
        (server.folder / "files/large.bin").write_bytes(os.urandom(1024) * (LARGE // 1024))
        (server.folder / "files/lines.txt").write_bytes(LINE * 10_000)
        yield server


# Connections.


def test_a_connection_is_used_as_often_as_nginx_allows(way, nginx):
    client = way.client(nginx.brief, policy=ONCE)
    connections = [way.call(client, "GET", "/connection").unwrap().text for _ in range(12)]
    assert [connections.count(one) for one in dict.fromkeys(connections)] == [5, 5, 2]


def test_the_last_call_of_a_connection_costs_no_post(way, nginx, origin):
    client = way.client(nginx.brief, policy=ONCE)
    with way.load(client, "POST", taken_by(origin), **NUMBERED) as load:
        load.calls(200)
    load.assert_no_failures()
    assert_none_arrived_twice(origin.journal)


def test_a_connection_that_nginx_closed_while_idle_is_not_used(threads, tasks, nginx):
    ways = [(way, way.client(nginx.brief, policy=ONCE)) for way in (threads, tasks)]
    before = [way.call(client, "GET", "/connection").unwrap().text for way, client in ways]
    time.sleep(1.5)  # what nginx does with an idle connection is what this is about
    after = [way.call(client, "POST", "/connection").unwrap() for way, client in ways]
    assert [len(success.attempts) for success in after] == [1, 1]
    assert not {success.text for success in after} & set(before)


def test_a_unix_socket(way, nginx):
    client = way.client("http://localhost", uds=nginx.folder / "nginx.sock", policy=ONCE)
    assert way.call(client, "GET", "/hello").unwrap().text == "hello"


def test_closed_without_an_answer_is_a_reset(way, nginx):
    client = way.client(nginx.plain, policy=PROMPT)
    failure = way.call(client, "GET", "/444")
    assert (failure.kind, failure.sent, len(failure.attempts)) == (FailureKind.RESET, True, 3)


def test_closed_without_an_answer_is_not_asked_again_with_a_post(way, nginx):
    client = way.client(nginx.plain, policy=PROMPT)
    assert way.call(client, "GET", "/hello").ok  # the connection is a used one then, and may look stale
    failure = way.call(client, "POST", "/444")
    assert (failure.kind, failure.stopped, len(failure.attempts)) == (FailureKind.RESET, "not_idempotent", 1)


# Bodies.


def test_a_body_that_nginx_compresses_on_the_fly(way, nginx):
    client = way.client(nginx.plain, policy=ONCE)
    success = way.call(client, "GET", "/files/lines.txt").unwrap()
    assert (success.headers["content-encoding"], success.headers["transfer-encoding"]) == ("gzip", "chunked")
    assert success.content == LINE * 10_000


def test_a_part_of_a_file(way, nginx):
    client = way.client(nginx.plain, policy=ONCE)
    success = way.call(client, "GET", "/files/large.bin", headers={"Range": "bytes=1000-1999"}).unwrap()
    content = (nginx.folder / "files/large.bin").read_bytes()[1000:2000]
    assert (success.status, success.content) == (206, content)
    beyond = way.call(client, "GET", "/files/large.bin", headers={"Range": f"bytes={LARGE}-"})
    assert (beyond.kind, beyond.status) == (FailureKind.CLIENT_ERROR, 416)


def test_a_large_file_whole_and_piece_by_piece(way, nginx):
    client = way.client(nginx.plain, policy=ONCE)
    whole = way.call(client, "GET", "/files/large.bin").unwrap().content
    assert whole == (nginx.folder / "files/large.bin").read_bytes()
    assert way.pull(client, "/files/large.bin")[1] == LARGE


def test_an_upload_that_is_too_large_is_answered_before_it_was_sent(way, nginx, origin):
    client = way.client(nginx.plain, policy=Policy())
    began = time.monotonic()
    failure = way.call(client, "PUT", "/small", content=bytes(LARGE))
    assert (failure.kind, failure.status, len(failure.attempts)) == (FailureKind.CLIENT_ERROR, 413, 1)
    assert time.monotonic() - began < 5
    assert origin.journal.requests == []


def test_an_upload_in_pieces_that_becomes_too_large(way, nginx, origin):
    client = way.client(nginx.plain, policy=Policy())
    failure = way.call(client, "PUT", "/small", content=(bytes(1024 * 1024) for _ in range(32)))
    assert (failure.kind, failure.status) == (FailureKind.CLIENT_ERROR, 413)
    assert origin.journal.requests == []


# Saying no.


def test_a_dead_upstream_is_a_502(way, nginx):
    client = way.client(nginx.plain, policy=PROMPT)
    failure = way.call(client, "GET", "/nobody")
    assert (failure.kind, failure.status, len(failure.attempts)) == (FailureKind.SERVER_ERROR, 502, 3)


def test_an_upstream_that_is_late_is_a_504(way, nginx, origin):
    client = way.client(nginx.plain, policy=ONCE)
    origin.on("/late", steps.hang())
    failure = way.call(client, "GET", "/late")
    assert (failure.kind, failure.status) == (FailureKind.SERVER_ERROR, 504)


def test_a_ration_is_waited_for_as_long_as_nginx_says(way, nginx):
    client = way.client(nginx.plain, policy=PROMPT, headers={"X-Caller": way.name})
    assert way.call(client, "GET", "/rationed").ok
    success = way.call(client, "GET", "/rationed").unwrap()
    assert [attempt.status for attempt in success.attempts] == [429, 200]
    assert success.attempts[0].wait >= 1


# TLS.


def test_a_client_certificate(way, nginx, tmp_path):
    options = {"verify": CERTIFICATES.client_context(), "policy": PROMPT}
    known = way.client(nginx.mutual, **options, cert=CERTIFICATES.client_file(tmp_path))
    assert "a test client" in way.call(known, "GET", "/").unwrap().text
    missing = way.call(way.client(nginx.mutual, **options | {"verify": CERTIFICATES.client_context()}), "GET", "/")
    assert (missing.kind, missing.status, len(missing.attempts)) == (FailureKind.CLIENT_ERROR, 400, 1)


def test_a_client_certificate_that_nobody_knows(way, nginx, tmp_path):
    cert = CERTIFICATES.client_file(tmp_path, known=False)
    client = way.client(nginx.mutual, verify=CERTIFICATES.client_context(), cert=cert, policy=PROMPT)
    failure = way.call(client, "GET", "/")
    assert (failure.kind, failure.status, len(failure.attempts)) == (FailureKind.CLIENT_ERROR, 400, 1)


def test_a_server_that_nobody_knows(way, nginx):
    failure = way.call(way.client(nginx.tls, policy=PROMPT), "GET", "/")
    assert (failure.kind, failure.sent, len(failure.attempts)) == (FailureKind.TLS, False, 1)


# HTTP/2.


@pytest.fixture
def shared(tasks, nginx):
    return tasks.client(nginx.tls, verify=CERTIFICATES.client_context(), http2=True, policy=ONCE)


def test_calls_share_an_http2_connection(tasks, shared):
    assert tasks.call(shared, "GET", "/protocol").unwrap().text == "HTTP/2.0"
    results = tasks.together(shared, 50, "GET", "/connection")
    assert len({result.unwrap().text for result in results}) == 1


def test_a_body_is_sent_over_http2(tasks, shared, origin):
    origin.on("PUT /bulk", steps.ok())
    assert tasks.call(shared, "PUT", "/bulk", content=bytes(1024 * 1024)).ok
    assert len(origin.journal.requests) == 1


def test_an_http2_upload_that_is_too_large_hurts_no_other_call(tasks, shared):
    before = tasks.call(shared, "GET", "/connection").unwrap().text
    failure = tasks.call(shared, "PUT", "/small", content=bytes(LARGE))
    assert (failure.kind, failure.status) == (FailureKind.CLIENT_ERROR, 413)
    assert tasks.call(shared, "GET", "/connection").unwrap().text == before
