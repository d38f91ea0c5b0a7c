"""The retry budget, line by line."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client import Policy, Retry, RetryBudget, StopReason
from resilient_client.pipeline.budget import Budget
from resilient_client.testing import VirtualWorld
from resilient_client.testing.steps import chance, ok, status

BREAKER_OFF = Policy(breaker=None, bulkhead=None)


def test_the_defaults_are_those_of_the_contract():
    budget = RetryBudget()
    assert (budget.ratio, budget.burst, budget.min_per_second, budget.window) == (0.1, 10, 0.1, 10)


def test_an_empty_budget_gives_the_last_failure_at_once(virtual):
    virtual.on("/", status(500))
    budget = RetryBudget(ratio=0, burst=3, min_per_second=0)
    client = virtual.client(policy=Policy(retry=Retry(budget=budget)))
    assert [len(client.get("/").attempts) for _ in range(4)] == [3, 2, 1, 1]
    last = client.get("/")
    assert (last.stopped, last.elapsed, last.status) == (StopReason.BUDGET, 0, 500)


def test_no_deposit_is_lost_however_many_threads_pay_in():
    budget = Budget(RetryBudget(ratio=0.5, burst=0, min_per_second=0))
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: [budget.deposit(1.0) for _ in range(2_500)], range(8)):
            budget.available(1.0)
    assert budget.available(1.0) == 0.5 * 8 * 2_500


def test_deposits_of_a_window_that_is_over_are_worth_nothing_any_more():
    budget = Budget(RetryBudget(ratio=0.5, burst=1, min_per_second=0, window=10))
    for _ in range(20):
        budget.deposit(1.0)
    assert budget.available(9.0) == 11
    assert budget.available(12.0) == 1


def test_a_call_that_is_turned_away_here_pays_nothing_in(virtual):
    virtual.on("/", status(500))
    budget = RetryBudget(ratio=0.5, burst=1, min_per_second=0)
    client = virtual.client(policy=Policy(retry=Retry(budget=budget)))
    client.get("/")
    before = client.state().budget
    client.breaker().isolate()
    assert not any(client.get("/").sent for _ in range(10))
    assert client.state().budget == before


def test_a_retry_takes_its_token_before_the_sleep():
    budget = Budget(RetryBudget(ratio=0, burst=1, min_per_second=0))
    assert budget.take(0.0)
    assert not budget.take(0.0)


@pytest.mark.parametrize("asked", [False, True], ids=["together", "one by one"])
def test_ten_tenths_are_a_whole_token(asked):
    """Added up in binary one by one they are a little less; whether somebody looked in between must not matter."""
    budget = Budget(RetryBudget(ratio=0.1, min_per_second=0, burst=0, window=60))
    for _ in range(10):
        budget.deposit(1.0)
        if asked:
            budget.available(1.0)
    assert budget.take(1.0)
    assert not budget.take(1.0)


def test_time_deposits_a_minimum():
    budget = Budget(RetryBudget(ratio=0, burst=2, min_per_second=0.1))
    assert budget.take(0)
    assert budget.take(0)
    assert not budget.take(9)
    assert budget.take(10.001)


def test_tokens_come_back_when_the_call_succeeds(virtual):
    virtual.on("/", status(500), status(500), then=ok())
    client = virtual.client(policy=Policy(retry=Retry(budget=RetryBudget(ratio=0, burst=5, min_per_second=0))))
    assert client.get("/").ok
    assert client.state().budget == pytest.approx(5)


def test_tokens_do_not_come_back_when_the_call_fails(virtual):
    virtual.on("/", status(500))
    client = virtual.client(policy=Policy(retry=Retry(budget=RetryBudget(ratio=0, burst=5, min_per_second=0))))
    client.get("/")
    assert client.state().budget == pytest.approx(3)


@given(
    st.lists(st.tuples(st.sampled_from(["deposit", "take", "give"]), st.floats(0, 5)), max_size=200),
    st.floats(0, 1),
    st.floats(0, 20),
)
def test_the_balance_never_exceeds_burst_and_the_share_of_recent_calls(steps, ratio, burst):
    settings = RetryBudget(ratio=ratio, burst=burst)
    budget, now, calls, taken = Budget(settings), 0.0, [], 0
    for what, later in steps:
        now += later
        if what == "deposit":
            budget.deposit(now)
            calls.append(now)
        elif what == "take":
            taken += budget.take(now)
        elif taken:
            budget.give_back(1, now)
            taken -= 1
        recent = sum(moment > now - settings.window for moment in calls)
        assert -1e-9 <= budget.available(now) <= burst + ratio * recent + 1e-6


def test_a_full_outage_of_a_thousand_calls_costs_at_most_the_budget(virtual):
    virtual.on("/", status(500))
    client = virtual.client(policy=BREAKER_OFF)
    for _ in range(1000):
        client.get("/")
    assert virtual.journal.count() - 1000 <= 10 + 100 + virtual.now() * 0.1


def test_a_hundred_clients_in_an_outage_stay_below_a_fifth_more_load():
    world = VirtualWorld()
    world.on("/", status(500))

    async def service(client):
        for _ in range(200):
            await client.get("/")
            await world.sleep(0.1)

    world.run(world.gather(*(service(world.async_client(policy=BREAKER_OFF)) for _ in range(100))))
    assert world.journal.count() <= 1.2 * 100 * 200


def test_random_failures_are_saved_almost_as_well_as_without_a_budget():
    world = VirtualWorld()
    world.on("/", chance(0.3, status(500), ok(), seed=7))
    client = world.async_client(policy=BREAKER_OFF)
    results = []

    async def call():
        results.append(await client.get("/"))

    async def load():
        for _ in range(20_000):
            world.spawn(call())
            await world.sleep(0.001)
        await world.sleep(30)

    world.run(load())
    assert sum(result.ok for result in results) / len(results) >= 0.965


def test_threads_and_tasks_never_take_a_token_twice():
    from concurrent.futures import ThreadPoolExecutor

    budget = Budget(RetryBudget(ratio=0, burst=500, min_per_second=0))
    with ThreadPoolExecutor(8) as pool:
        taken = sum(pool.map(lambda _: sum(budget.take(0.0) for _ in range(200)), range(8)))
    assert taken == 500


def test_budget_none_takes_the_ration_off(virtual):
    virtual.on("/", status(500))
    client = virtual.client(policy=Policy(retry=Retry(budget=None), breaker=None))
    assert all(len(client.get("/").attempts) == 3 for _ in range(50))
