"""The bulkhead, line by line."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from math import inf

import pytest
from helpers import kinds
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resilient_client import Bulkhead, FailureKind, Policy, Retry, StopReason, Timeouts
from resilient_client.backends import run_sync
from resilient_client.backends.blocking import BlockingBackend
from resilient_client.pipeline.bulkhead import Answer, Permit, Permits
from resilient_client.testing.steps import drip_body, ok, status


def limited(**values):
    return Policy(retry=None, bulkhead=Bulkhead(**values))


def test_the_defaults_are_those_of_the_contract():
    assert (Bulkhead().max_concurrent, Bulkhead().max_waiting, Bulkhead().max_wait) == (100, 100, None)


def test_at_most_max_concurrent_attempts_are_on_the_wire(world):
    world.on("/", ok(after=0.02))
    results = world.client(policy=limited(max_concurrent=3)).many(12, "/")
    assert all(result.ok for result in results)
    world.journal.assert_never_more_at_once_than(3)


def test_one_more_than_may_wait_is_refused_at_once(virtual):
    virtual.on("/", ok(after=1))
    client = virtual.inner.async_client(policy=limited(max_concurrent=2, max_waiting=3))
    results = virtual.inner.run(virtual.inner.gather(*(client.get("/") for _ in range(10))))
    refused = [result for result in results if not result.ok]
    assert len(refused) == 5
    assert {(result.kind, result.stopped, result.sent, result.elapsed) for result in refused} == {
        (FailureKind.BULKHEAD_FULL, StopReason.REJECTED, False, 0)
    }


def test_who_waits_is_served_first_come_first_served(virtual):
    virtual.on("/", ok(after=1))
    client = virtual.inner.async_client(policy=limited(max_concurrent=1))
    order = []

    async def call(number):
        await client.get("/")
        order.append(number)

    virtual.inner.run(virtual.inner.gather(*map(call, range(6))))
    assert order == list(range(6))


class Interposed:
    """A lock in front of which something else happens the first time that anybody wants it."""

    def __init__(self, lock, happens):
        self._lock = lock
        self._happens = [happens]

    def __enter__(self):
        if self._happens:
            self._happens.pop()()
        self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()


def test_nobody_takes_a_place_that_was_just_given_up_past_someone_who_waits():
    permits, make_waker = Permits(Bulkhead(max_concurrent=1)), BlockingBackend().waker
    first, waiting, newcomer = Permit(), Permit(), Permit()
    assert permits.ask(first, make_waker) is Answer.HELD
    assert permits.ask(waiting, make_waker) is Answer.QUEUED
    answers = []
    permits._lock = Interposed(permits._lock, lambda: answers.append(permits.ask(newcomer, make_waker)))
    permits.give_back(first)
    assert answers == [Answer.QUEUED]
    assert (permits.holds(waiting), permits.holds(newcomer)) == (True, False)


def test_nobody_waits_longer_than_max_wait(virtual):
    virtual.on("/", ok(after=5))
    client = virtual.inner.async_client(policy=limited(max_concurrent=1, max_wait=0.5))
    first, second = virtual.inner.run(virtual.inner.gather(client.get("/"), client.get("/")))
    assert first.ok
    assert (second.kind, second.elapsed) == (FailureKind.BULKHEAD_FULL, pytest.approx(0.5))
    assert second.attempts[0].queued == pytest.approx(0.5)


def test_waiting_counts_against_the_deadline(virtual):
    virtual.on("/", ok(after=5))
    values = Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1), timeouts=Timeouts(total=6))
    client = virtual.inner.async_client(policy=values)
    first, second, third = virtual.inner.run(virtual.inner.gather(*(client.get("/") for _ in range(3))))
    assert first.ok
    assert (second.kind, second.elapsed, second.sent) == (FailureKind.DEADLINE, pytest.approx(6), True)
    assert (third.kind, third.elapsed, third.sent) == (FailureKind.DEADLINE, pytest.approx(6), False)


def test_waiting_room_of_zero_fails_fast(virtual):
    virtual.on("/", ok(after=1))
    client = virtual.inner.async_client(policy=limited(max_concurrent=1, max_waiting=0))
    results = virtual.inner.run(virtual.inner.gather(client.get("/"), client.get("/")))
    assert [result.ok for result in results] == [True, False]


def test_a_permit_is_held_until_the_body_is_read(virtual):
    virtual.on("/", drip_body(2, pieces=4))
    client = virtual.inner.async_client(policy=limited(max_concurrent=1))
    first, second = virtual.inner.run(virtual.inner.gather(client.get("/"), client.get("/")))
    assert (first.elapsed, second.elapsed) == (pytest.approx(2), pytest.approx(4))


def test_no_permit_is_held_during_backoff(virtual):
    virtual.on("/slow", status(500), then=ok())
    virtual.on("/quick", ok())
    retry = Retry(wait_initial=5, wait_max=5, jitter="none")
    client = virtual.inner.async_client(policy=Policy(retry=retry, bulkhead=Bulkhead(max_concurrent=1, max_waiting=0)))

    async def meanwhile():
        await virtual.inner.sleep(1)
        return await client.get("/quick")

    slow, quick = virtual.inner.run(virtual.inner.gather(client.get("/slow"), meanwhile()))
    assert slow.ok
    assert quick.ok


def test_a_refusal_is_not_retried(virtual):
    virtual.on("/", ok(after=1))
    client = virtual.inner.async_client(policy=Policy(bulkhead=Bulkhead(max_concurrent=1, max_waiting=0)))
    _, refused = virtual.inner.run(virtual.inner.gather(client.get("/"), client.get("/")))
    assert kinds(refused) == ["bulkhead_full"]


def test_a_waiter_that_is_cancelled_leaves_the_queue(virtual):
    virtual.on("/", ok(after=5))
    client = virtual.inner.async_client(policy=limited(max_concurrent=1))

    async def scene():
        first = virtual.inner.spawn(client.get("/"))
        await virtual.inner.sleep(1)
        waiting = virtual.inner.spawn(client.get("/"))
        await virtual.inner.sleep(1)
        assert client.state().queued == 1
        waiting.cancel()
        await virtual.inner.sleep(1)
        assert client.state().queued == 0
        await first
        return client.state().permits_in_use

    assert virtual.inner.run(scene()) == 0


class PermitsMachine(RuleBasedStateMachine):
    """Whatever the order of asking and giving back, usage stays within bounds and nothing is lost."""

    def __init__(self):
        super().__init__()
        self.permits = Permits(Bulkhead(max_concurrent=3, max_waiting=4))
        self.asked = []
        self.woken = []

    def waker(self):
        machine = self

        class Waker:
            def wake(self):
                machine.woken.append(self)
                return True

        return Waker()

    @rule()
    def ask(self):
        permit = Permit()
        if self.permits.ask(permit, self.waker) is not Answer.FULL:
            self.asked.append(permit)
        else:
            assert self.permits.in_use == 3
            assert self.permits.queued == 4

    @rule(data=st.data())
    def give_back(self, data):
        if self.asked:
            permit = data.draw(st.sampled_from(self.asked))
            self.permits.give_back(permit)
            self.permits.give_back(permit)
            self.asked.remove(permit)

    @invariant()
    def within_bounds(self):
        assert self.permits.in_use == sum(self.permits.holds(permit) for permit in self.asked)
        assert self.permits.in_use + self.permits.queued == len(self.asked)
        assert self.permits.in_use <= 3
        assert self.permits.queued == 0 or self.permits.in_use == 3


TestPermits = PermitsMachine.TestCase
TestPermits.settings = settings(max_examples=50, stateful_step_count=60)


def test_a_permit_granted_to_a_waiter_whose_loop_is_gone_goes_to_the_next():
    class Gone:
        def wake(self):
            return False

    permits = Permits(Bulkhead(max_concurrent=1))
    holder, lost, waiting = Permit(), Permit(), Permit()
    permits.ask(holder, BlockingBackend().waker)
    permits.ask(lost, Gone)
    permits.ask(waiting, BlockingBackend().waker)
    permits.give_back(holder)
    assert permits.holds(waiting)
    assert not permits.holds(lost)


def test_a_place_goes_past_any_number_of_waiters_whose_loop_is_gone():
    class Gone:
        def wake(self):
            return False

    permits = Permits(Bulkhead(max_concurrent=1, max_waiting=3_000))
    holder, waiting = Permit(), Permit()
    permits.ask(holder, BlockingBackend().waker)
    lost = [Permit() for _ in range(2_000)]
    for permit in lost:
        permits.ask(permit, Gone)
    permits.ask(waiting, BlockingBackend().waker)
    permits.give_back(holder)
    assert permits.holds(waiting)
    assert (permits.in_use, permits.queued) == (1, 0)


def test_permits_may_be_given_back_while_lost_ones_are_looked_for():
    permits = Permits(Bulkhead(max_concurrent=1_000))
    held = [Permit() for _ in range(1_000)]
    for permit in held:
        permits.ask(permit, BlockingBackend().waker)

    def elsewhere(phase, _):
        if phase == "start" and held:
            thread = threading.Thread(target=permits.give_back, args=(held.pop(),))
            thread.start()
            thread.join()

    before = gc.get_threshold()
    gc.callbacks.append(elsewhere)  # up to Python 3.11, it lets others go on in the middle of a loop in C
    gc.set_threshold(20)
    try:
        assert permits.in_use <= 1_000
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(elsewhere)


def test_who_leaves_while_another_joins_the_queue_is_not_waited_for():
    permits, backend = Permits(Bulkhead(max_concurrent=1)), BlockingBackend()
    holder, waiting = Permit(), Permit()
    permits.ask(holder, backend.waker)

    def leave_meanwhile():
        permits.give_back(holder)  # sees nobody wait: the other is not in the queue yet
        return backend.waker()

    assert permits.ask(waiting, leave_meanwhile) is Answer.QUEUED
    run_sync(backend.wait(waiting.waker, inf))
    assert permits.holds(waiting)
    assert (permits.in_use, permits.queued) == (1, 0)


def test_threads_that_race_for_permits_never_hold_too_many():
    permits, backend = Permits(Bulkhead(max_concurrent=4, max_waiting=100)), BlockingBackend()
    inside, most, lock = 0, 0, threading.Lock()

    def worker(_):
        nonlocal inside, most
        for _ in range(100):
            permit = Permit()
            if permits.ask(permit, backend.waker) is Answer.QUEUED:
                permit.waker.wait(10)
            assert permits.holds(permit)
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1
            permits.give_back(permit)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(worker, range(16)))
    assert most <= 4
    assert (permits.in_use, permits.queued) == (0, 0)


def test_a_permit_dropped_by_an_interrupt_is_found_again():
    permits = Permits(Bulkhead(max_concurrent=1, max_waiting=0))
    dropped = Permit()
    assert permits.ask(dropped, BlockingBackend().waker) is Answer.HELD
    del dropped
    assert permits.in_use == 0
    kept = Permit()
    assert permits.ask(kept, BlockingBackend().waker) is Answer.HELD
