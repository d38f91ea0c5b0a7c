"""Threads and tasks at once, over real sockets, with a far side that fails at random: then everything is back."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from resilient_client import AsyncClient, Breaker, Bulkhead, CallFailed, Client, Policy, Retry, Timeouts
from resilient_client.testing import FaultServer, steps
from resilient_client.wire.pool import MAX_IDLE

THREADS, CALLS_OF_A_THREAD = 16, 40
TASKS, CALLS_OF_A_TASK = 200, 4

HASTY = Policy(
    timeouts=Timeouts(attempt=0.15),
    retry=Retry(wait_initial=0.001, wait_max=0.01),
    breaker=Breaker(min_calls=30, window=1, open_for=0.02, open_max=0.05, probes=2),
    bulkhead=Bulkhead(max_concurrent=12, max_waiting=300),
)
HURRIED = replace(HASTY, timeouts=Timeouts(attempt=0.15, total=0.2))
PATIENT = Policy(retry=None, breaker=None, bulkhead=HASTY.bulkhead)
"""The same permits, and time enough for a busy machine."""

POLICIES = (None, None, HURRIED)

TROUBLE = (
    *(steps.close(), steps.reset(), steps.short_body(), steps.reset_in_body(), steps.bad_chunk(), steps.garbage()),
    *(steps.status(500), steps.status(503), steps.status(429), steps.second_answer(), steps.cut_gzip()),
    *(steps.hang(), steps.drip_body(0.05, pieces=5), steps.last_answer(steps.ok()), steps.ok(after=0.02)),
)


def faulty(seed):
    """Answer with what was asked for, mostly: an answer that goes to another caller is seen."""
    draw = random.Random(seed)

    def play(request):
        if draw.random() < 0.2:
            return draw.choice(TROUBLE)(request)
        return steps.status(200, request.target)(request)

    return play


@contextmanager
def server(seed):
    with FaultServer(strict=False) as one:
        one.on("/", faulty(seed))
        yield one


def mine(result, target):
    """An answer with the target in it is that of this call; some troubles answer with something else, on purpose."""
    return not result or not result.content.startswith(b"/") or result.content == target.encode()


class Callers:
    """What the callers of one test were told."""

    def __init__(self) -> None:
        self.numbers = iter(range(10**9))
        self.ended = Counter()
        self.wrong = []

    def next(self):
        return f"/?call={next(self.numbers)}"

    def told(self, result, target):
        self.ended["ok" if result else str(result.kind)] += 1
        if not mine(result, target):
            self.wrong.append((target, result.content))

    def by_thread(self, client, seed):
        draw = random.Random(seed)
        for _ in range(CALLS_OF_A_THREAD):
            target = self.next()
            if draw.random() < 0.3:
                self.read(client, target, upto=draw.choice([0, 1, None]))
            else:
                self.told(client.request(draw.choice(["GET", "POST"]), target, policy=draw.choice(POLICIES)), target)

    def read(self, client, target, upto):
        with client.stream("GET", target) as result:
            self.ended["stream" if result else str(result.kind)] += 1
            try:
                for count, _ in enumerate(result.iter_bytes() if result else (), start=1):
                    if count == upto:
                        break
            except CallFailed as problem:
                self.ended[f"{problem.failure.kind} in body"] += 1

    async def by_task(self, client, seed):
        draw = random.Random(seed)
        for _ in range(CALLS_OF_A_TASK):
            target = self.next()
            call = asyncio.ensure_future(
                client.request(draw.choice(["GET", "POST"]), target, policy=draw.choice(POLICIES))
            )
            if draw.random() < 0.3:
                asyncio.get_running_loop().call_later(draw.random() * 0.1, call.cancel)
            try:
                self.told(await call, target)
            except asyncio.CancelledError:
                self.ended["cancelled"] += 1


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def wait_until(true):
    """Wait for what other threads and the far side of a socket do a moment later."""
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Descriptors and threads are as many as before, client and server together."""
    before = descriptors(), threading.active_count()
    yield
    wait_until(lambda: descriptors() <= before[0] and threading.active_count() <= before[1])


def is_quiet(client, journal):
    """Nothing is held, no POST was repeated, and no more connections are kept than may be."""
    state = client.state()
    assert (state.permits_in_use, state.queued) == (0, 0)
    assert all(not circuit._probes for circuit in client.kernels.circuits(HASTY.breaker).all())
    assert client._wire._transport._pool.idle <= MAX_IDLE
    posts = Counter(seen.target for seen in journal.requests if seen.method == "POST" and seen.status != 429)
    assert max(posts.values(), default=0) <= 1


def all_permits_pass(client):
    """As many threads as there are permits get an answer each, at the same time."""
    count = HASTY.bulkhead.max_concurrent
    results = []
    run([lambda: results.append(client.get("/text", policy=PATIENT))] * count)
    assert [result.ok for result in results] == [True] * count


def run(targets):
    threads = [threading.Thread(target=target, daemon=True) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a call hangs"


def by_threads(callers, client):
    return [lambda seed=seed: callers.by_thread(client, seed) for seed in range(THREADS)]


async def by_tasks(callers, client):
    """Many tasks; then all permits at once. Returns what the event loop complained of, and the tasks left."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with client:
        await asyncio.gather(*(callers.by_task(client, 1000 + seed) for seed in range(TASKS)))
        count = HASTY.bulkhead.max_concurrent
        results = await asyncio.gather(*(client.get("/text", policy=PATIENT) for _ in range(count)))
        assert [result.ok for result in results] == [True] * count
    await asyncio.sleep(0)
    return complaints, len(asyncio.all_tasks()) - 1


def test_sixteen_threads():
    callers = Callers()
    with server(seed=1) as far, Client("raced", base_url=far.url, policy=HASTY) as client:
        run(by_threads(callers, client))
        is_quiet(client, far.journal)
        all_permits_pass(client)
    assert callers.wrong == []
    assert sum(callers.ended.values()) >= THREADS * CALLS_OF_A_THREAD
    assert callers.ended["ok"] > 0


def test_two_hundred_tasks_some_of_which_are_cancelled():
    callers = Callers()
    with server(seed=2) as far:
        client = AsyncClient("raced", base_url=far.url, policy=HASTY)
        assert asyncio.run(by_tasks(callers, client)) == ([], 0)
        is_quiet(client, far.journal)
    assert callers.wrong == []
    assert sum(callers.ended.values()) == TASKS * CALLS_OF_A_TASK
    assert callers.ended["cancelled"] > 0


def test_threads_and_tasks_that_share_their_state():
    callers = Callers()
    most, over = [0], threading.Event()
    with server(seed=3) as far, Client("raced", base_url=far.url, policy=HASTY) as client:
        tasks = AsyncClient("raced", base_url=far.url, kernels=client.kernels)
        left = []

        def watch():
            while not over.wait(0.001):
                most[0] = max(most[0], client.state().permits_in_use)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        run([*by_threads(callers, client), lambda: left.append(asyncio.run(by_tasks(callers, tasks)))])
        over.set()
        watching.join()
        assert left == [([], 0)]
        is_quiet(client, far.journal)
        all_permits_pass(client)
    assert callers.wrong == []
    assert 1 < most[0] <= HASTY.bulkhead.max_concurrent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # 3.12 warns of threads, which is the point here
def test_forks_in_the_middle_of_it():
    callers = Callers()
    codes = []
    with server(seed=4) as far, Client("raced", base_url=far.url, policy=HASTY) as client:

        def fork_again_and_again():
            for _ in range(5):
                child = os.fork()
                if child == 0:
                    code = 1
                    try:
                        ended = [client.get("/text", policy=PATIENT) for _ in range(2)]
                        code = 0 if all(ended) and client.state().permits_in_use == 0 else 2
                    finally:
                        os._exit(code)
                codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        run([*by_threads(callers, client)[:4], fork_again_and_again])
        is_quiet(client, far.journal)
        all_permits_pass(client)
    assert callers.wrong == []
    assert codes == [0] * 5
