"""The circuit breaker, line by line."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pybreaker
import pytest
from helpers import policy
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_client import (
    AsyncClient,
    Breaker,
    Bulkhead,
    Client,
    ConfigError,
    FailureKind,
    Kernels,
    Policy,
    Retry,
    StopReason,
    Timeouts,
    deadline,
)
from resilient_client.events import RetryScheduled
from resilient_client.pipeline.circuit import Admission, Circuit, Rejection
from resilient_client.pipeline.circuits import MAX_CIRCUITS, Circuits
from resilient_client.testing.steps import close, hang, ok, short_body, status

ONCE = Policy(retry=None)


def circuit(**values):
    return Circuit("far-side", Breaker(**values), lambda: 0.0)


def play(one, outcomes, *, start=0.0, every=0.0, seconds=0.0):
    now = start
    for outcome in outcomes:
        admission = one.admit(now)
        if isinstance(admission, Admission):
            one.record(admission, {"F": True, "S": False, "-": None}[outcome], seconds, now)
        now += every
    return one.state


def test_the_defaults_are_those_of_the_contract():
    b = Breaker()
    assert (b.failure_ratio, b.min_calls, b.window, b.consecutive, b.slow, b.slow_ratio) == (0.5, 20, 30, None, None, 1)
    assert (b.open_for, b.open_max, b.probes, b.closes_after, b.key) == (5, 60, 1, 2, "origin")


def test_both_thresholds_are_reached_at_equality():
    assert play(circuit(min_calls=5), "FFFS") == "closed"
    assert play(circuit(min_calls=5), "FFFSS") == "open"
    assert play(circuit(min_calls=5), "SSSFF") == "closed"
    assert play(circuit(min_calls=5), "SSSFFF") == "open"


def test_consecutive_failures_open_it():
    assert play(circuit(consecutive=3), "FFSFF") == "closed"
    assert play(circuit(consecutive=3), "FFSFFF") == "open"


def test_slow_calls_open_it():
    assert play(circuit(min_calls=4, slow=1.0), "SSSS", seconds=1.5) == "open"
    assert play(circuit(min_calls=4, slow=1.0), "SSSS", seconds=1.0) == "closed"


def test_a_share_of_slow_calls_opens_it():
    one = circuit(min_calls=4, slow=1.0, slow_ratio=0.5)
    play(one, "SS", seconds=0.1)
    assert play(one, "SS", seconds=2) == "open"


def test_failures_leave_the_window():
    one = circuit(min_calls=4, window=10)
    play(one, "FFF", start=0)
    assert play(one, "F", start=11) == "closed"
    assert one.counts(11) == (1, 1)
    assert one.counts(100) == (0, 0)


def test_threads_that_read_the_clock_on_both_sides_of_a_tenth_of_the_window_forget_nothing():
    one = circuit(min_calls=4, window=10)
    for now in (0.999, 1.001, 0.999, 1.001):
        play(one, "F", start=now)
    assert one.state == "open"
    one = circuit(window=10)
    for now in (0.999, 1.001, 0.999, 1.001):
        play(one, "FS", start=now)
    assert one.counts(1.001) == (8, 4)
    assert one.counts(12) == (0, 0)


def test_a_window_with_no_calls_is_closed():
    one = circuit()
    assert one.counts(1e9) == (0, 0)
    assert one.state == "closed"


def open_circuit(**values):
    one = circuit(consecutive=1, **values)
    play(one, "F")
    assert one.state == "open"
    return one


def test_an_open_circuit_rejects_and_says_when_to_come_back(virtual):
    virtual.on("/", status(500))
    client = virtual.client(policy=Policy(retry=None, breaker=Breaker(consecutive=1, open_for=5)))
    client.get("/")
    virtual.pass_time(1)
    result = client.get("/")
    assert (result.kind, result.stopped, result.sent) == (FailureKind.CIRCUIT_OPEN, StopReason.REJECTED, False)
    assert 3.4 <= result.retry_after <= 4
    assert len(result.attempts) == 1
    virtual.journal.assert_requests(1)


def test_a_rejection_is_never_retried(virtual):
    client = virtual.client()
    client.breaker().isolate()
    assert len(client.get("/").attempts) == 1


def test_a_retry_that_would_meet_the_circuit_its_failure_opened_is_not_waited_for(virtual):
    virtual.on("/", status(500))
    client = virtual.client(policy=Policy(breaker=Breaker(consecutive=2)))
    result = client.get("/")
    assert (result.kind, result.status, len(result.attempts)) == (FailureKind.SERVER_ERROR, 500, 2)
    assert (result.stopped, result.attempts[-1].wait) == (StopReason.REJECTED, 0)


def test_a_call_that_ends_with_the_circuit_says_so_and_when_to_come_back(virtual):
    virtual.on("/", status(500))
    client = virtual.client(policy=Policy(breaker=Breaker(consecutive=2, open_for=5)))
    result = client.get("/")
    assert "stopped: rejected (the circuit is open now and would reject the next attempt here)" in result.explain()
    assert "before anything was sent" not in result.explain()
    assert 0 < result.retry_after == client.state().circuits[client.breaker().name].retry_after <= 5


def test_a_call_that_ends_with_an_isolated_circuit_knows_no_time_to_come_back(virtual):
    client = virtual.client(policy=Policy(retry=Retry(wait_initial=1, wait_max=1, jitter="none")))

    def isolating(request):
        client.breaker().isolate()
        return status(500)(request)

    virtual.on("/", isolating)
    result = client.get("/")
    assert (result.status, result.stopped, result.retry_after) == (500, StopReason.REJECTED, None)
    assert "worth trying again" not in result.explain()


def test_a_call_rejected_after_an_attempt_was_sent_does_not_say_that_nothing_was(virtual):
    def isolate(event):
        if isinstance(event, RetryScheduled):
            client.breaker().isolate()

    virtual.on("/", status(500))
    client = virtual.client(listeners=[isolate])
    result = client.get("/")
    assert [attempt.kind for attempt in result.attempts] == ["server_error", "circuit_open"]
    assert "stopped: rejected (it was rejected here, after an earlier attempt had been sent)" in result.explain()


def test_a_retry_whose_wait_is_longer_than_the_circuit_is_open_becomes_its_probe(virtual):
    virtual.on("/", status(500), then=ok())
    retry = Retry(wait_initial=3, wait_max=3, jitter="none")
    client = virtual.client(policy=Policy(retry=retry, breaker=Breaker(consecutive=1, open_for=2)))
    assert client.get("/").ok


def test_open_for_doubles_per_reopening_up_to_the_maximum():
    one, now, waits = open_circuit(open_for=5, open_max=30), 0.0, []
    for _ in range(5):
        waits.append(one.next_probe_in(now))
        now += waits[-1]
        play(one, "F", start=now)
    assert waits == pytest.approx([5, 10, 20, 30, 30])


def test_it_may_reopen_as_often_as_it_likes():
    one, now = open_circuit(open_for=5, open_max=60), 0.0
    for _ in range(1100):
        now += 60
        play(one, "F", start=now)
    assert one.next_probe_in(now) == 60


def test_jitter_takes_at_most_a_tenth_off():
    for chance in (0.0, 0.5, 0.999):
        one = Circuit("k", Breaker(consecutive=1, open_for=10), lambda chance=chance: chance)
        play(one, "F")
        assert 9 <= one.next_probe_in(0.0) <= 10


def test_closing_resets_the_doubling():
    one = open_circuit(closes_after=1)
    play(one, "F", start=5)
    play(one, "S", start=15)
    assert one.state == "closed"
    play(one, "F", start=16)
    assert one.next_probe_in(16) == pytest.approx(5)


def test_half_open_lets_as_many_probes_through_as_allowed():
    one = open_circuit(probes=2)
    answers = [one.admit(5.0) for _ in range(50)]
    assert sum(isinstance(answer, Admission) for answer in answers) == 2
    assert one.state == "half-open"


def test_fifty_flows_at_half_open_send_one_probe(virtual):
    virtual.on("/", status(500), then=ok(after=1))
    client = virtual.inner.async_client(policy=Policy(retry=None, breaker=Breaker(consecutive=1, closes_after=1)))

    async def scene():
        await client.get("/")
        await virtual.inner.sleep(5)
        return await virtual.inner.gather(*(client.get("/") for _ in range(50)))

    results = virtual.inner.run(scene())
    assert [result.ok for result in results] == [True] + [False] * 49
    assert {result.kind for result in results if not result} == {FailureKind.CIRCUIT_OPEN}
    virtual.journal.assert_requests(2)
    assert client.breaker().state == "closed"


def test_fifty_threads_and_tasks_at_half_open_send_one_probe(fault_server):
    fault_server.on("/", status(500), then=hang())
    values = Policy(retry=None, timeouts=Timeouts(total=1), breaker=Breaker(consecutive=1, open_for=60))
    kernels = Kernels(values)
    results = []

    async def tasks():
        async with AsyncClient("both", base_url=fault_server.url, kernels=kernels) as client:
            results.extend(await asyncio.gather(*(client.get("/") for _ in range(25))))

    with Client("both", base_url=fault_server.url, kernels=kernels) as client, ThreadPoolExecutor(26) as pool:
        client.get("/")
        client.breaker()._open_until = 0.0  # its time is over
        running = pool.submit(asyncio.run, tasks())
        results.extend(pool.map(lambda _: client.get("/"), range(25)))
        running.result()
    assert sorted(str(result.kind) for result in results) == ["circuit_open"] * 49 + ["deadline"]
    fault_server.journal.assert_requests(2)


def test_enough_successes_in_a_row_close_it():
    one = open_circuit(closes_after=2)
    assert play(one, "S", start=5) == "half-open"
    assert play(one, "S", start=5) == "closed"


def test_one_failure_opens_it_again():
    one = open_circuit(closes_after=3)
    assert play(one, "SSF", start=5) == "open"


def test_a_late_success_does_not_close_an_open_circuit():
    one = circuit(consecutive=1)
    late = one.admit(0.0)
    play(one, "F")
    one.record(late, False, 0.0, 1.0)
    assert one.state == "open"


def test_a_late_failure_does_not_reopen_a_recovered_one():
    one = circuit(consecutive=1, closes_after=1)
    late = one.admit(0.0)
    play(one, "F")
    play(one, "S", start=5)
    one.record(late, True, 0.0, 6.0)
    assert one.state == "closed"


def test_a_cancelled_probe_frees_its_place_and_says_nothing():
    one = open_circuit()
    probe = one.admit(5.0)
    assert isinstance(one.admit(5.0), Rejection)
    one.record(probe, None, 0.0, 5.1)
    assert isinstance(one.admit(5.1), Admission)
    assert one.state == "half-open"


def test_a_probe_that_does_not_return_is_given_up_and_another_may_go():
    one = open_circuit(open_for=5)
    lost = one.admit(5.0)
    rejected = one.admit(9.9)
    assert isinstance(rejected, Rejection)
    assert rejected.retry_after == pytest.approx(0.1)
    assert isinstance(one.admit(10.0), Admission)
    one.record(lost, True, 0.0, 10.5)
    assert one.state == "half-open"


@pytest.mark.parametrize(
    ("step", "counts"),
    [
        (status(500), 1),
        (status(503), 1),
        (status(404), 0),
        (status(429), 0),
        (ok(), 0),
        (close(), 1),
        (short_body(), 1),
    ],
)
def test_what_counts_as_a_failure(world, step, counts):
    world.on("/", step)
    client = world.client(policy=ONCE)
    client.get("/")
    (state,) = client.state().circuits.values()
    assert (state.calls, state.failures) == (1, counts)


def test_timeouts_and_refused_connections_are_failures(virtual):
    virtual.on("/", hang())
    client = virtual.client(policy=Policy(retry=None, timeouts=Timeouts(read=1)))
    client.get("/")
    virtual.down()
    client.get("/")
    (state,) = client.state().circuits.values()
    assert (state.calls, state.failures) == (2, 2)


def test_a_full_bulkhead_is_no_failure(virtual):
    virtual.on("/", ok(after=1))
    client = virtual.client(policy=Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1, max_waiting=0)))
    client.many(5, "/")
    (state,) = client.state().circuits.values()
    assert state.failures == 0


def test_an_expected_status_is_no_failure(virtual):
    virtual.on("/", status(500))
    client = virtual.client()
    assert client.get("/", expect={500}).ok
    (state,) = client.state().circuits.values()
    assert state.failures == 0


def test_the_callers_own_deadline_is_no_failure_of_the_dependency(virtual):
    virtual.on("/", hang())
    client = virtual.inner.async_client(policy=Policy(retry=None))

    async def impatient():
        with deadline(0.5):
            return await client.get("/")

    assert virtual.inner.run(impatient()).kind is FailureKind.DEADLINE
    (state,) = client.state().circuits.values()
    assert (state.calls, state.failures) == (0, 0)


def test_a_hang_that_had_its_full_attempt_is_a_failure_even_when_the_deadline_ended_it(virtual):
    virtual.on("/", hang())
    client = virtual.client(policy=Policy(retry=None, timeouts=Timeouts(total=1)))
    assert client.get("/").kind is FailureKind.DEADLINE
    (state,) = client.state().circuits.values()
    assert (state.calls, state.failures) == (1, 1)


@pytest.mark.parametrize(("left", "failures"), [(0.89, 0), (0.91, 1)])
def test_nine_tenths_of_the_timeout_are_a_full_chance(virtual, left, failures):
    virtual.on("/", hang())
    client = virtual.inner.async_client(policy=Policy(retry=None, timeouts=Timeouts(attempt=1)))

    async def hurried():
        with deadline(left):
            return await client.get("/")

    assert virtual.inner.run(hurried()).kind is FailureKind.DEADLINE
    (state,) = client.state().circuits.values()
    assert state.failures == failures


def test_a_cancelled_call_is_no_failure(virtual):
    virtual.on("/", hang())
    client = virtual.inner.async_client()

    async def cancel():
        flow = virtual.inner.spawn(client.get("/"))
        await virtual.inner.sleep(1)
        flow.cancel()
        await virtual.inner.sleep(1)
        return flow.done

    assert virtual.inner.run(cancel())
    (state,) = client.state().circuits.values()
    assert (state.calls, state.failures) == (0, 0)


def test_one_circuit_per_origin_client_or_route(virtual):
    virtual.on("/a", ok())
    for kind, keys in (
        ("origin", {"http://far.side:80"}),
        ("client", {"far-side"}),
        ("route", {"/a", "http://far.side:80"}),
    ):
        client = virtual.client(policy=Policy(breaker=Breaker(key=kind)))
        client.get("/a", route="/a")
        client.get("/a")
        assert client.state().circuits.keys() == keys


def test_at_most_1024_circuits_idle_closed_ones_dropped_first_open_ones_never():
    times = count()
    circuits = Circuits(Breaker(consecutive=1), lambda key, values: Circuit(key, values, lambda: 0.0))
    kept = circuits.get("open")
    play(kept, "F", start=next(times))
    for number in range(3 * MAX_CIRCUITS):
        circuits.get(f"origin-{number}").admit(float(next(times)))
    assert len(circuits.all()) == MAX_CIRCUITS
    assert circuits.get("open") is kept
    newest = f"origin-{3 * MAX_CIRCUITS - 1}"
    assert newest in {one.key for one in circuits.all()}


class Counted(Circuit):
    """A circuit that counts how often anybody looked whether one could be dropped."""

    looks = 0

    @property
    def expendable(self):
        Counted.looks += 1
        return super().expendable


def test_the_circuit_that_was_idle_for_longest_is_found_without_looking_at_all_of_them():
    times = count()
    circuits = Circuits(Breaker(consecutive=1), lambda key, values: Counted(key, values, lambda: 0.0))
    Counted.looks = calls = 0
    for number in range(3 * MAX_CIRCUITS):
        for key in (f"origin-{number}", f"origin-{number // 2}"):  # the second was used before, and is used again
            circuits.get(key).admit(float(next(times)))
            calls += 1
    assert Counted.looks <= 2 * calls
    least, *_ = sorted(circuits.all(), key=lambda one: one.used)
    circuits.get("one more")
    assert least not in circuits.all()


def test_open_circuits_are_set_aside_and_can_be_dropped_once_they_are_closed():
    circuits = Circuits(Breaker(consecutive=1), lambda key, values: Counted(key, values, lambda: 0.0))
    for number in range(MAX_CIRCUITS):
        play(circuits.get(f"origin-{number}"), "F")
    Counted.looks = 0
    for number in range(3 * MAX_CIRCUITS):
        circuits.get(f"too many-{number}")
    assert Counted.looks <= MAX_CIRCUITS
    circuits.get("origin-7").close()
    newest = circuits.get("newest")
    assert circuits.get("newest") is newest
    assert "origin-7" not in {one.key for one in circuits.all()}
    assert len(circuits.all()) == MAX_CIRCUITS


def test_with_1024_open_circuits_another_is_not_kept_and_nothing_breaks():
    circuits = Circuits(Breaker(consecutive=1), lambda key, values: Circuit(key, values, lambda: 0.0))
    for number in range(MAX_CIRCUITS):
        play(circuits.get(f"origin-{number}"), "F")
    assert isinstance(circuits.get("one more").admit(0.0), Admission)
    assert len(circuits.all()) == MAX_CIRCUITS


def with_one_permit(virtual):
    """A client that does one thing at a time, and a call that takes three seconds."""
    virtual.on("/slow", ok(after=3))
    return virtual.inner.async_client(policy=Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1, max_waiting=1)))


def test_a_call_does_not_queue_for_a_refusal(virtual):
    client = with_one_permit(virtual)

    async def meanwhile():
        await virtual.inner.sleep(1)
        client.breaker("http://far.side").isolate()
        return await client.get("/")

    slow, refused = virtual.inner.run(virtual.inner.gather(client.get("/slow"), meanwhile()))
    assert slow.ok
    assert (refused.kind, refused.stopped, refused.elapsed) == ("circuit_open", StopReason.REJECTED, 0)
    assert (client.state().permits_in_use, client.state().queued) == (0, 0)


def test_a_circuit_that_opened_during_the_wait_for_a_permit_is_respected(virtual):
    client = with_one_permit(virtual)

    async def isolated_meanwhile():
        await virtual.inner.sleep(1)
        client.breaker("http://far.side").isolate()

    flows = client.get("/slow"), client.get("/"), isolated_meanwhile()
    _, waiting, _ = virtual.inner.run(virtual.inner.gather(*flows))
    assert (waiting.kind, waiting.elapsed) == ("circuit_open", pytest.approx(3))


# pybreaker.


class Recording(pybreaker.CircuitBreakerListener):
    def __init__(self):
        self.news = []

    def state_change(self, cb, old_state, new_state):
        self.news.append((cb.name, old_state.name, new_state.name))

    def before_call(self, cb, func, *args, **kwargs):
        self.news.append("before")

    def failure(self, cb, exc):
        self.news.append("failure")

    def success(self, cb):
        self.news.append("success")


def test_a_pybreaker_listener_hears_transitions_and_results(virtual):
    listener = Recording()
    kernels = Kernels(Policy(retry=None, breaker=Breaker(consecutive=1, closes_after=1)), circuit_listeners=[listener])
    virtual.on("/", status(500), then=ok())
    client = virtual.client(kernels=kernels)
    client.get("/")
    virtual.pass_time(6)
    client.get("/")
    key = "http://far.side:80"
    assert [news for news in listener.news if isinstance(news, tuple)] == [
        (key, "closed", "open"),
        (key, "open", "half-open"),
        (key, "half-open", "closed"),
    ]
    assert [news for news in listener.news if isinstance(news, str)] == ["before", "failure", "before", "success"]


def test_a_raising_listener_changes_no_result_and_is_logged_once(virtual, caplog):
    class Broken(pybreaker.CircuitBreakerListener):
        def failure(self, cb, exc):
            raise RuntimeError("listener bug")

    virtual.on("/", status(500))
    client = virtual.client(kernels=Kernels(Policy(retry=None), circuit_listeners=[Broken()]))
    assert [client.get("/").status for _ in range(3)] == [500, 500, 500]
    assert len([record for record in caplog.records if "listener" in record.message]) == 1


def test_a_listener_may_use_the_circuit_it_hears_of(virtual):
    class Curious(Recording):
        def state_change(self, cb, old_state, new_state):
            self.news.append(client.breaker().state)

    listener = Curious()
    kernels = Kernels(Policy(retry=None, breaker=Breaker(consecutive=1)), circuit_listeners=[listener])
    virtual.on("/", status(500))
    client = virtual.client(kernels=kernels)
    client.get("/")
    assert "open" in listener.news


def test_a_pybreaker_storage_shares_an_open_circuit_between_processes(virtual):
    shared = {}

    def storage(key):
        return shared.setdefault(key, pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED))

    values = Policy(retry=None, breaker=Breaker(consecutive=2, closes_after=1))
    here, there = (
        virtual.client(policy=values, kernels=Kernels(values, circuit_storage=storage, randomness=lambda: 0.0))
        for _ in range(2)
    )
    virtual.on("/", status(500), status(500), then=ok())
    assert there.breaker().state == "closed"
    here.get("/")
    here.get("/")
    assert there.get("/").kind is FailureKind.CIRCUIT_OPEN
    virtual.pass_time(6)
    assert there.get("/").ok
    assert here.get("/").ok


# The operator's hand.


def test_isolate_rejects_until_close(world):
    world.on("/", ok())
    client = world.client(policy=policy())
    client.breaker().isolate()
    result = client.get("/")
    assert (result.kind, result.retry_after) == (FailureKind.CIRCUIT_OPEN, None)
    assert client.breaker().state == "isolated"
    client.breaker().close()
    assert client.get("/").ok


def test_an_isolated_circuit_is_not_opened_by_time():
    one = circuit()
    one.isolate()
    assert isinstance(one.admit(1e9), Rejection)


def test_a_breaker_that_is_off_has_no_circuit_to_hold(virtual):
    client = virtual.client(policy=Policy(breaker=None))
    with pytest.raises(ConfigError, match="has no breaker"):
        client.breaker()


# Any order of events.


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["admit", "S", "F", "-", "isolate", "close"]), st.floats(0, 4)), max_size=80))
def test_probes_never_exceed_their_number_and_rejections_are_never_late(events):
    one = Circuit("k", Breaker(min_calls=3, window=10, open_for=5, probes=2, closes_after=2), lambda: 0.5)
    now, out = 0.0, []
    for what, later in events:
        now += later
        if what == "admit":
            answer = one.admit(now)
            if isinstance(answer, Admission):
                out.append(answer)
            elif answer.retry_after is not None:
                assert 0 <= answer.retry_after <= 60
        elif what == "isolate":
            one.isolate()
        elif what == "close":
            one.close()
        elif out:
            one.record(out.pop(0), {"S": False, "F": True, "-": None}[what], 0.0, now)
        assert len(one._probes) <= 2
        if one.state != "half-open":
            assert not one._probes
        calls, failures = one.counts(now)
        assert 0 <= failures <= calls


def test_threads_that_race_keep_the_counts_whole():
    one = circuit(min_calls=10**9)

    def hammer(_):
        for _ in range(500):
            one.record(one.admit(0.0), True, 0.0, 0.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hammer, range(8)))
    assert one.counts(0.0) == (4000, 4000)


def test_threads_that_race_for_probes_get_no_more_than_there_are():
    for _ in range(50):
        one = open_circuit(probes=3)
        barrier = threading.Barrier(8)

        def race(_, one=one, barrier=barrier):
            barrier.wait()
            return isinstance(one.admit(5.0), Admission)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(race, range(8))) == 3
