"""Retry, line by line."""

import io
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import tenacity
from helpers import FAST, kinds, policy, statuses
from hypothesis import given
from hypothesis import strategies as st

from resilient_client import FailureKind, Policy, Retry, StopReason, Timeouts
from resilient_client.pipeline.retry import backoff
from resilient_client.testing.script import Raw, Reset
from resilient_client.testing.steps import (
    bad_chunk,
    close,
    cut_gzip,
    flapping,
    garbage,
    last_answer,
    ok,
    reset,
    reset_in_body,
    retry_after,
    short_body,
    status,
)

TRANSIENT_STATUSES = (408, 425, 429, 500, 502, 503, 504)


def test_max_attempts_counts_the_first(world):
    world.on("/", status(502))
    result = world.client(policy=policy()).get("/")
    assert statuses(result) == [502, 502, 502]
    assert result.stopped is StopReason.MAX_ATTEMPTS
    world.journal.assert_requests(3)


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True), st.floats(0, 10), st.floats(1, 10), st.floats(0, 100))
def test_backoff_is_between_zero_and_the_bound(number, chance, initial, factor, more):
    settings = Retry(wait_initial=initial, wait_max=initial + more, factor=factor)
    assert 0 <= backoff(settings, number, chance) <= settings.wait_max


def test_backoff_grows_by_the_factor_up_to_the_cap():
    settings = Retry(wait_initial=0.1, wait_max=5, factor=2, jitter="none")
    assert [backoff(settings, n, 0.0) for n in range(1, 8)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5])


def test_jitter_survives_the_cap(virtual):
    settings = Retry(wait_initial=0.1, wait_max=5)
    delays = [backoff(settings, 50, virtual.inner.backend.random()) for _ in range(2000)]
    assert sum(delay == 5 for delay in delays) < 20
    assert 2.2 < statistics.mean(delays) < 2.8


@pytest.mark.parametrize("busy", [429, 503])
def test_backoff_starts_at_one_second_after_429_or_a_503_without_retry_after(virtual, busy):
    virtual.on("/", status(busy), then=ok())
    result = virtual.client(policy=Policy(retry=Retry(jitter="none"))).get("/")
    assert result.attempts[0].wait == pytest.approx(1.0)


@pytest.mark.parametrize("code", TRANSIENT_STATUSES)
def test_transient_statuses_are_retried(virtual, code):
    virtual.on("/", status(code), then=ok())
    assert statuses(virtual.client().get("/")) == [code, 200]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 413, 422, 501, 505])
def test_other_failures_are_the_answer(virtual, code):
    virtual.on("/", status(code))
    result = virtual.client().get("/")
    assert (statuses(result), result.stopped) == ([code], StopReason.NOT_RETRYABLE)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (close(), "reset"),
        (reset(), "reset"),
        (short_body(), "truncated"),
        (reset_in_body(), "truncated"),
        (garbage(), "protocol"),
        (bad_chunk(), "protocol"),
    ],
)
def test_broken_answers_are_retried(wire, fault, kind):
    wire.on("/", fault, then=ok())
    result = wire.client(policy=policy()).get("/")
    assert kinds(result) == [kind, None]


def test_refused_connections_are_retried(world):
    world.on("/", ok())
    world.down()
    result = world.client(policy=policy()).get("/")
    assert kinds(result) == ["connect"] * 3
    assert not result.sent


def test_names_that_do_not_resolve_are_retried(wire):
    result = wire.client(base_url="http://no-such-host.invalid", policy=policy()).get("/")
    assert kinds(result) == ["dns"] * 3


def test_undecodable_answers_are_not_retried(wire):
    wire.on("/", cut_gzip())
    result = wire.client(policy=policy()).get("/")
    assert (kinds(result), result.stopped) == (["decode"], StopReason.NOT_RETRYABLE)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_idempotent_methods_are_sent_again(virtual, method):
    virtual.on("/", status(503), then=ok())
    assert len(virtual.client().request(method, "/").attempts) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_other_methods_are_not_sent_again_when_the_server_may_have_acted(world, method):
    world.on("/", status(503), then=ok())
    result = world.client(policy=policy()).request(method, "/", content=b"x")
    assert result.stopped is StopReason.NOT_IDEMPOTENT
    world.journal.assert_requests(1)


def test_a_post_whose_answer_timed_out_is_not_sent_again(virtual):
    virtual.on("/", ok(after=60))
    result = virtual.client(policy=Policy(timeouts=Timeouts(read=1))).post("/", json={})
    assert (result.kind, result.stopped, result.sent) == (FailureKind.READ_TIMEOUT, StopReason.NOT_IDEMPOTENT, True)


def test_an_idempotency_key_makes_a_post_safe_and_is_the_same_on_every_attempt(world):
    world.on("/", status(500), status(500), then=ok())
    result = world.client(policy=policy()).post("/", json={"amount": 1}, idempotency_key="order-1")
    assert result.ok
    assert {seen.headers["idempotency-key"] for seen in world.journal.requests} == {"order-1"}
    world.journal.assert_requests(3)
    world.journal.assert_effects("order-1", 1)


def test_idempotency_key_true_makes_one_per_call(world):
    world.on("/", status(500), then=ok())
    client = world.client(policy=policy())
    client.post("/", idempotency_key=True)
    client.post("/", idempotency_key=True)
    keys = [seen.headers["idempotency-key"] for seen in world.journal.requests]
    assert keys[0] == keys[1] != keys[2]


def test_what_is_known_unsent_is_sent_again_whatever_the_method(world):
    world.on("/", ok())
    world.down()
    result = world.client(policy=policy()).post("/", json={})
    assert len(result.attempts) == 3


def test_a_429_is_sent_again_whatever_the_method(virtual):
    virtual.on("/", status(429), then=ok())
    assert virtual.client().post("/").ok


def test_bytes_json_and_forms_are_replayed(world):
    for number, body in enumerate(({"content": b"abc"}, {"json": {"a": 1}}, {"data": {"a": "1"}})):
        world.on(f"/{number}", status(500), then=ok())
        assert world.client(policy=policy()).request("PUT", f"/{number}", **body).ok
        first, second = [seen.body for seen in world.journal.requests if seen.path == f"/{number}"]
        assert first == second != b""


def test_a_file_is_rewound_to_where_it_was(world):
    world.on("/", status(500), then=ok())
    handle = io.BytesIO(b"skipped|sent")
    handle.seek(8)
    assert world.client(policy=policy()).request("PUT", "/", content=handle).ok
    assert [seen.body for seen in world.journal.requests] == [b"sent", b"sent"]


def test_a_multipart_file_is_rewound_to_where_it_was(world):
    world.on("/", status(500), then=ok())
    handle = io.BytesIO(b"skipped|sent")
    handle.seek(8)
    assert world.client(policy=policy()).request("PUT", "/", files={"file": handle}, data={"a": "b"}).ok
    first, second = [seen.body for seen in world.journal.requests]
    assert first == second
    assert b"sent" in first
    assert b"skipped" not in first


def test_an_iterator_is_not_sent_again_once_a_byte_was_read(world):
    def pieces() -> Iterator[bytes]:
        yield b"once"

    world.on("/", status(500), then=ok())
    result = world.client(policy=policy()).request("PUT", "/", content=pieces())
    assert result.stopped is StopReason.BODY_NOT_REPLAYABLE
    assert world.journal.requests[0].body == b"once"


def test_an_untouched_iterator_may_be_sent_after_a_refused_connection(world):
    world.on("/", ok())
    world.down()
    result = world.client(policy=policy()).request("PUT", "/", content=iter([b"once"]))
    assert len(result.attempts) == 3


@pytest.mark.parametrize("code", [429, 503, 500, 502])
def test_retry_after_is_a_floor(virtual, code):
    virtual.on("/", retry_after(code, 3), then=ok())
    result = virtual.client().get("/")
    assert 3 <= result.attempts[0].wait <= 4


def test_retry_after_as_a_date_counts_from_the_answers_own_date(virtual):
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    later = (moment + timedelta(seconds=7)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    now = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
    virtual.on("/", status(503, headers=[("Retry-After", later), ("Date", now)]), then=ok())
    assert 7 <= virtual.client().get("/").attempts[0].wait <= 8


def test_retry_after_ms_is_understood(virtual):
    virtual.on("/", status(503, headers=[("retry-after-ms", "2500")]), then=ok())
    assert 2.5 <= virtual.client().get("/").attempts[0].wait < 3.5


@pytest.mark.parametrize("value", ["0", "-5", "soon", "", "Wed, 21 Oct 2015 07:28:00 GMT", "1e3", "\u00b2"])
def test_a_retry_after_of_zero_past_or_garbage_means_ordinary_backoff(virtual, value):
    virtual.on("/", status(500, headers=[("Retry-After", value)]), then=ok())
    result = virtual.client(policy=Policy(retry=Retry(jitter="none"))).get("/")
    assert result.attempts[0].wait == pytest.approx(0.1)


@pytest.mark.parametrize("seconds", [31, 86_400, 10**30])
def test_a_retry_after_above_the_maximum_gives_the_answer_at_once(virtual, seconds):
    virtual.on("/", retry_after(503, f"{seconds}", body="busy"))
    result = virtual.client(policy=Policy(timeouts=Timeouts(total=100_000))).get("/")
    assert (result.kind, result.stopped) == (FailureKind.SERVER_ERROR, StopReason.RETRY_AFTER_TOO_LONG)
    assert (result.retry_after, result.content, result.elapsed) == (float(seconds), b"busy", 0)


def test_a_retry_after_beyond_the_deadline_gives_the_answer_at_once(world):
    world.on("/", retry_after(503, 60))
    result = world.client(policy=Policy(timeouts=Timeouts(total=5), retry=Retry(max_retry_after=100))).get("/")
    assert (result.stopped, result.retry_after) == (StopReason.RETRY_AFTER_TOO_LONG, 60)
    assert result.elapsed < 1


def test_any_delay_beyond_the_deadline_stops_with_the_last_attempts_kind(virtual):
    virtual.on("/", status(500))
    retry = Retry(wait_initial=10, wait_max=10, jitter="none")
    result = virtual.client(policy=Policy(timeouts=Timeouts(total=5), retry=retry)).get("/")
    assert (result.kind, result.stopped) == (FailureKind.SERVER_ERROR, StopReason.DEADLINE)


def test_a_stale_connection_costs_one_immediate_resend_charged_to_nobody(world):
    world.on("/", ok())
    client = world.client(policy=Policy(retry=None))
    assert client.get("/").ok
    world.close_idle()
    result = client.get("/")
    assert result.ok
    assert len(result.attempts) in {1, 2}  # one when the client had noticed already
    if len(result.attempts) == 2:
        assert kinds(result) == ["reset", None]
        assert result.attempts[0].reused
        assert not result.attempts[1].reused
    state = client.state()
    assert sum(circuit.failures for circuit in state.circuits.values()) == 0


def test_a_used_connection_that_breaks_inside_a_head_is_no_stale_one(world):
    world.on("/", status(200), then=lambda _: [Raw(b"HTTP/1.1 200 OK\r\nConte"), Reset()])
    client = world.client(policy=policy(retry=None))
    assert client.get("/").ok
    result = client.get("/")
    assert kinds(result) == [FailureKind.RESET]
    assert "inside the head" in result.message
    world.journal.assert_requests(2)


def test_a_stale_resend_is_recorded_and_takes_no_token(virtual):
    virtual.on("/", ok())
    client = virtual.client()
    client.get("/")
    before = client.state().budget
    virtual.close_idle()
    result = client.get("/")
    assert kinds(result) == ["reset", None]
    assert client.state().budget >= before


def test_a_post_without_key_on_a_stale_connection_is_not_resent(virtual):
    virtual.on("/", ok())
    client = virtual.client()
    client.get("/")
    virtual.close_idle()
    result = client.post("/")
    assert (kinds(result), result.stopped) == (["reset"], StopReason.NOT_IDEMPOTENT)


def test_a_body_that_cannot_be_rewound_is_not_resent_on_a_stale_connection(virtual):
    virtual.on("/", ok())
    client = virtual.client()
    client.get("/")
    virtual.close_idle()
    result = client.request("PUT", "/", content=iter([b"once"]))
    assert (kinds(result), result.stopped) == (["reset"], StopReason.BODY_NOT_REPLAYABLE)


def test_a_resend_happens_only_once(virtual):
    virtual.on("/", ok(), then=close())
    client = virtual.client(policy=Policy(retry=None))
    client.get("/")
    virtual.close_idle()
    assert kinds(client.get("/")) == ["reset", "reset"]


def test_discarded_answers_keep_their_connection(world):
    world.on("/", status(503, "busy" * 1000), status(503, "busy"), then=ok())
    retry = Retry(wait=tenacity.wait_fixed(0.001))
    assert statuses(world.client(policy=Policy(retry=retry)).get("/")) == [503, 503, 200]
    world.journal.assert_connections(1)


def test_a_connection_the_server_closes_after_its_answer_is_not_reused(wire):
    wire.on("/", last_answer(ok()))
    client = wire.client(policy=Policy(retry=None))
    assert all(client.get("/").ok for _ in range(5))


# tenacity strategies.


def test_a_tenacity_wait_takes_the_place_of_the_backoff(virtual):
    virtual.on("/", status(500))
    retry = Retry(wait=tenacity.wait_fixed(1) + tenacity.wait_incrementing(start=1, increment=1))
    result = virtual.client(policy=Policy(retry=retry)).get("/")
    assert [attempt.wait for attempt in result.attempts] == pytest.approx([2, 3, 0])


def test_a_tenacity_stop_takes_the_place_of_the_count(virtual):
    virtual.on("/", status(500))
    stop = tenacity.stop_after_attempt(5) | tenacity.stop_after_delay(20)
    result = virtual.client(policy=Policy(retry=Retry(stop=stop, wait=tenacity.wait_fixed(1)))).get("/")
    assert len(result.attempts) == 5
    stop = tenacity.stop_after_attempt(50) | tenacity.stop_after_delay(2.5)
    result = virtual.client(policy=Policy(retry=Retry(stop=stop, wait=tenacity.wait_fixed(1)))).get("/")
    assert len(result.attempts) == 4


def test_a_tenacity_stop_that_looks_at_the_coming_wait_is_given_it(virtual):
    virtual.on("/", status(500))
    retry = Retry(stop=tenacity.stop_before_delay(2.5), wait=tenacity.wait_fixed(1))
    assert len(virtual.client(policy=Policy(retry=retry)).get("/").attempts) == 3


def test_a_tenacity_predicate_takes_the_place_of_the_transient_question(virtual):
    virtual.on("/pending", status(202), status(202), then=ok())
    virtual.on("/busy", status(503))
    retry = Retry(retry=tenacity.retry_if_result(lambda result: result.status == 202), wait=tenacity.wait_fixed(1))
    client = virtual.client(policy=Policy(retry=retry))
    assert statuses(client.get("/pending")) == [202, 202, 200]
    assert statuses(client.get("/busy")) == [503]


def test_a_tenacity_predicate_cannot_waive_safety(virtual):
    virtual.on("/", status(500))
    retry = Retry(retry=tenacity.retry_always if hasattr(tenacity, "retry_always") else lambda _: True)
    assert virtual.client(policy=Policy(retry=retry)).post("/").stopped is StopReason.NOT_IDEMPOTENT


def test_a_never_ending_tenacity_stop_is_ended_by_the_deadline(virtual):
    virtual.on("/", status(500))
    retry = Retry(stop=tenacity.stop_never, wait=tenacity.wait_fixed(1), budget=None)
    result = virtual.client(policy=Policy(timeouts=Timeouts(total=10), retry=retry)).get("/")
    assert (result.stopped, len(result.attempts)) == (StopReason.DEADLINE, 10)


def test_a_flapping_server_is_ridden_out(world):
    world.on("/", flapping(status(500), ok()))
    client = world.client(policy=policy(breaker=None))
    assert [len(client.get("/").attempts) for _ in range(4)] == [2, 2, 2, 2]


def test_retry_none_makes_one_attempt(world):
    world.on("/", status(503))
    result = world.client(policy=Policy(retry=None)).get("/")
    assert (len(result.attempts), result.stopped) == (1, StopReason.MAX_ATTEMPTS)


def test_fast_retries_really_wait_for_nothing(virtual):
    virtual.on("/", status(500))
    assert virtual.client(policy=Policy(retry=FAST)).get("/").elapsed == 0
