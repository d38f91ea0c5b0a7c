"""Deadline and timeouts, line by line."""

import pytest
from helpers import FAST, kinds, policy

from resilient_client import ConfigError, FailureKind, Policy, Retry, StopReason, Timeouts, deadline
from resilient_client.testing.steps import drip_body, hang, ok, status


def test_the_defaults_are_those_of_the_contract():
    timeouts = Timeouts()
    assert (timeouts.connect, timeouts.read, timeouts.write, timeouts.attempt, timeouts.total) == (2, 10, 10, 10, 30)
    assert timeouts.header is None


def test_total_bounds_the_call_with_its_attempts_and_backoff(virtual):
    virtual.on("/", hang())
    result = virtual.client(policy=Policy(timeouts=Timeouts(attempt=2, total=5), retry=FAST)).get("/")
    assert result.kind is FailureKind.DEADLINE
    assert result.stopped is StopReason.DEADLINE
    assert result.elapsed == pytest.approx(5.0)
    assert kinds(result) == ["attempt_timeout", "attempt_timeout", "deadline"]


def test_attempt_bounds_one_attempt_with_its_body_and_is_retried(virtual):
    virtual.on("/", drip_body(20), then=ok())
    result = virtual.client(policy=Policy(timeouts=Timeouts(attempt=1, total=10), retry=FAST)).get("/")
    assert result.ok
    assert kinds(result) == ["attempt_timeout", None]
    assert result.attempts[0].elapsed == pytest.approx(1.0)


def test_connect_bounds_connecting_and_is_retried(virtual):
    virtual.on("/", ok())
    virtual.inner.connecting_takes = 5.0
    result = virtual.client(policy=Policy(timeouts=Timeouts(connect=1), retry=FAST)).get("/")
    assert kinds(result) == ["connect_timeout"] * 3
    assert result.elapsed == pytest.approx(3.0)
    assert not result.sent


def test_read_bounds_one_silence_and_not_the_whole_body(virtual):
    virtual.on("/slow", drip_body(8, pieces=8))
    virtual.on("/silent", status(200, after=3))
    client = virtual.client(policy=Policy(timeouts=Timeouts(read=2), retry=None))
    assert client.get("/slow").ok
    assert client.get("/silent").kind is FailureKind.READ_TIMEOUT


def test_each_attempts_timeouts_are_clamped_to_what_is_left(virtual):
    virtual.on("/", status(503, after=0.010), then=hang())
    retry = Retry(max_attempts=5, wait_initial=0, wait_max=0, budget=None)
    result = virtual.client(policy=Policy(timeouts=Timeouts(attempt=0.1, total=0.15), retry=retry)).get("/")
    assert kinds(result) == ["server_error", "attempt_timeout", "deadline"]
    assert [round(attempt.elapsed, 6) for attempt in result.attempts] == [0.01, 0.1, 0.04]
    assert result.elapsed == pytest.approx(0.15)


def test_the_smallest_of_call_ambient_and_client_total_wins(virtual):
    virtual.on("/", hang())
    client = virtual.client(policy=Policy(timeouts=Timeouts(total=5), retry=None))
    assert client.get("/").elapsed == pytest.approx(5)
    assert client.get("/", policy=Policy(timeouts=Timeouts(total=2), retry=None)).elapsed == pytest.approx(2)


def test_the_ambient_deadline_only_ever_shortens_and_nests(virtual):
    virtual.on("/", hang())
    client = virtual.inner.async_client(policy=Policy(timeouts=Timeouts(total=5), retry=None))

    async def nested():
        with deadline(3):
            with deadline(100):
                first = await client.get("/")
            with deadline(1):
                second = await client.get("/")
        third = await client.get("/")
        return [round(result.elapsed, 6) for result in (first, second, third)]

    assert virtual.inner.run(nested()) == [3, 0, 5]


def test_an_ambient_deadline_that_has_passed_sends_nothing(world):
    with deadline(0):
        result = world.client().get("/")
    assert result.kind is FailureKind.DEADLINE
    assert not result.sent
    world.journal.assert_requests(0)


def test_an_ambient_deadline_holds_over_the_wire_too(wire):
    wire.on("/", hang())
    client, began = wire.client(policy=Policy(retry=None)), wire.now()
    with deadline(0.1):
        result = client.get("/")
    assert result.kind is FailureKind.DEADLINE
    assert 0.1 <= wire.now() - began < 5


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "3", None, True])
def test_a_wrong_ambient_deadline_is_refused(seconds):
    with pytest.raises(ConfigError, match="deadline"), deadline(seconds):
        pass


def test_the_deadline_header_sends_the_rest_with_each_attempt(virtual):
    virtual.on("/", status(503, after=1), then=ok())
    retry = Retry(wait_initial=0, wait_max=0)
    client = virtual.client(policy=Policy(timeouts=Timeouts(total=5, header="X-Request-Timeout-Ms"), retry=retry))
    assert client.get("/").ok
    assert [seen.headers["x-request-timeout-ms"] for seen in virtual.journal.requests] == ["5000", "4000"]


def test_the_deadline_header_goes_over_the_wire(wire):
    wire.on("/", ok())
    client = wire.client(policy=policy(timeouts=Timeouts(total=5, header="X-Request-Timeout-Ms")))
    assert client.get("/").ok
    (seen,) = wire.journal.requests
    assert 0 < seen.seconds_left() <= 5


def test_total_alone_is_enough_because_defaults_shrink_to_it():
    timeouts = Timeouts(total=1)
    assert (timeouts.connect, timeouts.read, timeouts.write, timeouts.attempt) == (1, 1, 1, 1)


def test_shrunk_defaults_grow_back_when_total_does():
    import dataclasses

    assert dataclasses.replace(Timeouts(total=1), total=20).attempt == 10


def test_an_explicit_attempt_longer_than_an_explicit_total_is_refused():
    with pytest.raises(ConfigError, match=r"attempt=5, total=2.*attempt must not be longer than total"):
        Timeouts(attempt=5, total=2)


def test_none_leaves_only_the_other_bounds(virtual):
    virtual.on("/", hang())
    timeouts = Timeouts(attempt=None, read=None, total=7)
    assert virtual.client(policy=Policy(timeouts=timeouts, retry=None)).get("/").elapsed == pytest.approx(7)


def test_no_deadline_at_all_waits_as_long_as_the_server_takes(virtual):
    virtual.on("/", ok(after=100_000))
    timeouts = Timeouts(connect=None, read=None, write=None, attempt=None, total=None)
    assert virtual.client(policy=Policy(timeouts=timeouts)).get("/").ok


def test_a_deadline_that_is_over_during_backoff_ends_the_call_before_the_sleep(virtual):
    virtual.on("/", status(503))
    retry = Retry(wait_initial=4, wait_max=4, jitter="none")
    result = virtual.client(policy=Policy(timeouts=Timeouts(total=3), retry=retry)).get("/")
    assert (result.kind, result.stopped) == (FailureKind.SERVER_ERROR, StopReason.DEADLINE)
    assert result.elapsed == 0
