"""Calls beside their caller: `submit` on the blocking client, `gather` on both."""

import asyncio
import concurrent.futures
import contextlib
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import httpx
import pytest

from resilient_client import (
    AsyncClient,
    Bulkhead,
    Client,
    ClientClosed,
    ConfigError,
    Policy,
    Request,
    Retry,
    Timeouts,
    deadline,
    load_policies,
)
from resilient_client.testing import FaultServer, VirtualWorld, steps

NARROW = Policy(bulkhead=Bulkhead(max_concurrent=3, max_waiting=0))


def gathered(caller, requests, **options):
    return caller.world.finish(caller.client.gather(requests, **options))


def test_results_come_in_the_order_of_the_requests(world):
    for number in range(20):
        world.on(f"/{number}", steps.text(str(number), after=0.02 if number % 3 == 0 else 0))
    results = gathered(world.client(), [f"/{number}" for number in range(20)])
    assert [result.text for result in results] == [str(number) for number in range(20)]


def test_a_request_has_the_options_of_every_verb(world):
    world.on("/", steps.echo())
    requests = [Request("POST", "/", json={"n": n}, headers={"X-Number": str(n)}) for n in range(3)]
    results = gathered(world.client(), requests)
    assert [result.json()["body"] for result in results] == ['{"n":0}', '{"n":1}', '{"n":2}']


def test_no_more_are_under_way_than_the_bulkhead_has_permits(world):
    world.on("/", steps.ok(after=0.01))
    results = gathered(world.client(policy=NARROW), ["/"] * 30)
    assert [bool(result) for result in results] == [True] * 30
    assert world.journal.most_at_once <= 3


def test_the_caller_may_have_fewer_at_once(world):
    world.on("/", steps.ok(after=0.01))
    assert all(gathered(world.client(), ["/"] * 10, max_concurrent=2))
    assert world.journal.most_at_once <= 2


def test_failures_are_results_among_the_others(world):
    world.on("/", steps.ok())
    world.on("/bad", steps.status(404))
    assert [bool(result) for result in gathered(world.client(), ["/", "/bad", "/"])] == [True, False, True]


def test_nothing_to_do_is_done_at_once(world):
    assert gathered(world.client(), []) == []


def test_each_has_its_own_time_and_a_deadline_around_bounds_them_all(virtual):
    virtual.on("/", steps.ok(after=1))
    client = virtual.client(policy=Policy(timeouts=Timeouts(total=1.5)))
    assert all(gathered(client, ["/"] * 5, max_concurrent=1))
    assert virtual.now() == pytest.approx(5)

    async def within():
        with deadline(2.5):
            many = client.client.gather(["/"] * 5, max_concurrent=1)
            return many if isinstance(many, list) else await many

    kinds = [getattr(result, "kind", None) for result in virtual.inner.run(within())]
    assert kinds == [None, None, "deadline", "deadline", "deadline"]


@pytest.mark.parametrize(
    ("requests", "options", "says"),
    [
        (["/", "http://elsewhere/"], {}, "leaves base_url"),
        (["/", 7], {}, r"requests\[1\]=7: give a Request"),
        ("/", {}, "give a list"),
        (["/"], {"max_concurrent": 0}, "max_concurrent=0"),
        (["/", Request("GET", "/", nonsense=1)], {}, "unknown option nonsense="),
    ],
)
def test_a_wrong_request_is_refused_before_any_is_sent(world, requests, options, says):
    with pytest.raises((TypeError, ConfigError), match=says):
        gathered(world.client(), requests, **options)
    world.journal.assert_requests(0, "/")


def test_cancelling_a_gather_leaves_nothing_behind():
    with FaultServer() as server:
        server.on("/", steps.hang())

        async def scene():
            async with AsyncClient("many", base_url=server.url) as client:
                many = asyncio.ensure_future(client.gather(["/"] * 500))
                while client.state().permits_in_use < 100:
                    await asyncio.sleep(0.01)
                many.cancel()
                await asyncio.gather(many, return_exceptions=True)
                assert many.cancelled()
                assert client.state().permits_in_use == 0
                assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(scene())


def test_a_mistake_that_shows_late_is_raised_and_stops_the_others(world):
    """A header function that works once and then not: nobody could have known before."""
    world.on("/", steps.ok())
    asked = iter(range(3))
    client = world.client()
    with pytest.raises(ConfigError, match="StopIteration"):
        gathered(client, [Request("GET", "/", headers={"X": lambda: str(next(asked))})] * 3)
    assert client.state().permits_in_use == 0


# submit


def test_a_submitted_call_has_its_result_in_a_future():
    with FaultServer() as server, Client("calls", base_url=server.url) as client:
        server.on("/", steps.ok({"n": 1}))
        futures = [client.submit("GET", "/") for _ in range(50)]
        assert [future.result(20).json() for future in futures] == [{"n": 1}] * 50
        assert {type(future) for future in futures} == {concurrent.futures.Future}


def test_a_wrong_argument_is_raised_by_submit_itself():
    with Client("calls", base_url="http://127.0.0.1:1") as client, pytest.raises(ConfigError, match="leaves base_url"):
        client.submit("GET", "http://elsewhere/")


def test_the_time_of_a_submitted_call_runs_from_its_submission():
    world = VirtualWorld()
    world.on("/", steps.ok(after=4))
    policy = Policy(bulkhead=Bulkhead(max_concurrent=1), timeouts=Timeouts(total=10))
    client = world.client(policy=policy)
    kinds = [getattr(one.result(), "kind", None) for one in [client.submit("GET", "/") for _ in range(4)]]
    assert kinds == [None, None, "deadline", "deadline"]
    assert world.now == pytest.approx(10)


def test_a_call_that_waited_for_a_thread_says_so():
    policy = Policy(bulkhead=Bulkhead(max_concurrent=1), timeouts=Timeouts(total=1), retry=None)
    with FaultServer() as server, Client("calls", base_url=server.url, policy=policy) as client:
        server.on("/", steps.hang())
        shorter = Policy(timeouts=Timeouts(total=0.5), bulkhead=policy.bulkhead, retry=None)
        first, second = client.submit("GET", "/"), client.submit("GET", "/", policy=shorter)
        assert (first.result(20).kind, second.result(20).kind) == ("deadline", "deadline")
        attempt = second.result().attempts[0]
        assert attempt.queued >= 0.4
        assert attempt.elapsed == pytest.approx(second.result().elapsed, abs=0.001)
        assert not second.result().sent
        server.journal.assert_requests(1, "/")


def test_an_ambient_deadline_holds_for_what_is_submitted_in_it():
    world = VirtualWorld()
    world.on("/", steps.hang())
    client = world.client()

    async def within():
        with deadline(3):
            return client.submit("GET", "/")

    assert world.run(within()).result().kind == "deadline"
    assert world.now == pytest.approx(3)


def test_leaving_the_client_waits_for_what_was_submitted():
    with FaultServer() as server:
        server.on("/", steps.ok(after=0.1))
        with Client("calls", base_url=server.url) as client:
            futures = [client.submit("GET", "/") for _ in range(5)]
        assert all(future.done() and future.result() for future in futures)
        with pytest.raises(ClientClosed):
            client.submit("GET", "/")


def test_a_small_gather_does_not_make_what_follows_small():
    together = threading.Barrier(12)

    def meet(request):
        if request.url.path == "/all":
            together.wait(20)  # raises when fewer than all are under way
        return httpx.Response(200)

    policy = Policy(bulkhead=Bulkhead(max_concurrent=12), retry=None)
    with Client("calls", base_url="http://orders", transport=httpx.MockTransport(meet), policy=policy) as client:
        assert all(client.gather(["/"] * 2))
        assert all(client.gather(["/all"] * 12))
        assert all(future.result(30) for future in [client.submit("GET", "/all") for _ in range(12)])


def test_leaving_it_by_an_exception_cancels_what_has_not_begun():
    policy = Policy(bulkhead=Bulkhead(max_concurrent=1), retry=None, timeouts=Timeouts(total=20))
    with FaultServer() as server:
        release = threading.Event()
        server.on("/", lambda request: release.wait(20) and steps.ok()(request))
        futures = []
        with pytest.raises(ZeroDivisionError), Client("calls", base_url=server.url, policy=policy) as client:  # noqa: PT012
            futures += [client.submit("GET", "/") for _ in range(5)]
            while not client.state().permits_in_use:
                time.sleep(0.001)
            raise ZeroDivisionError
        assert [future.cancelled() for future in futures] == [False, True, True, True, True]
        release.set()
        assert futures[0].result(20) is not None


def test_a_callback_may_close_the_client():
    with FaultServer() as server:
        server.on("/", steps.ok())
        client = Client("calls", base_url=server.url)
        closed = threading.Event()

        def close(_):
            client.close()
            closed.set()

        assert client.submit("GET", "/", on_complete=close).result(20)
        assert closed.wait(20)


def test_without_a_thread_to_be_had_the_caller_makes_the_call(monkeypatch):
    with FaultServer() as server, Client("calls", base_url=server.url) as client:
        server.on("/", steps.ok())

        def refuse(_):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            future = client.submit("GET", "/")
        assert future.done()
        assert future.result()
        assert client.submit("GET", "/").result(20)
        server.journal.assert_requests(2, "/")


def test_a_forked_child_has_threads_of_its_own():
    with FaultServer() as server, Client("calls", base_url=server.url) as client:
        server.on("/", steps.ok())
        assert client.submit("GET", "/").result(20)
        child = os.fork()
        if not child:
            try:
                os._exit(0 if client.submit("GET", "/").result(20) else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert client.submit("GET", "/").result(20)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_client_that_is_dropped_leaves_no_threads():
    with FaultServer() as server:
        server.on("/", steps.ok())
        client = Client("calls", base_url=server.url)
        assert all(client.gather(["/"] * 20))
        del client
        gc.collect()
        until = time.monotonic() + 20
        while any(thread.name.startswith("resilient-client-call") for thread in threading.enumerate()):
            assert time.monotonic() < until
            time.sleep(0.01)


def test_an_asynchronous_backend_has_tasks_instead():
    async def scene():
        async with AsyncClient("calls", base_url="http://127.0.0.1:1") as client:
            with pytest.raises(RuntimeError, match="create_task"):
                client._backend.submit(lambda: None, 1)

    asyncio.run(scene())


def test_a_future_in_virtual_time_can_be_waited_for_with_a_timeout():
    world = VirtualWorld()
    world.on("/", steps.ok(after=5))
    future = world.client().submit("GET", "/")
    with pytest.raises(TimeoutError):
        future.result(timeout=2)
    assert world.now == pytest.approx(2)
    assert future.exception() is None
    assert future.result().ok
    assert not future.cancel()


INTERRUPTED = """
import signal, sys, time
from resilient_client import Client, Policy, Timeouts, Bulkhead
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
policy = Policy(timeouts=Timeouts(total=2), bulkhead=Bulkhead(max_concurrent=4), retry=None)
client = Client("calls", base_url=sys.argv[1], policy=policy)
try:
    client.gather(["/"] * 1000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
started = time.monotonic()
client.close(wait=False)
"""


def test_ctrl_c_in_the_middle_of_a_gather_begins_no_more_calls():
    with FaultServer() as server:
        server.on("/", steps.hang())
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(INTERRUPTED), server.url], stdout=subprocess.PIPE, text=True
        )
        while len(server.journal.requests) < 4:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "interrupted\n"
        begun = len(server.journal.requests)
        child.communicate(timeout=60)
        assert len(server.journal.requests) == begun < 100


def test_gathering_under_retries_holds_no_more_threads_than_calls_under_way():
    policy = Policy(retry=Retry(wait_initial=0.001, wait_max=0.002), bulkhead=Bulkhead(max_concurrent=4))
    with FaultServer() as server, Client("calls", base_url=server.url, policy=policy) as client:
        server.on("/", steps.flapping(steps.status(503), steps.ok()))
        before = threading.active_count()
        assert len(client.gather(["/"] * 40)) == 40
        assert threading.active_count() - before <= 4


def most_of(server, client, count):
    """How many of `count` submitted calls are on the wire at once."""
    server.journal.clear()
    futures = [client.submit("GET", "/") for _ in range(count)]
    assert all(future.result(20) for future in futures)
    return server.journal.most_at_once


def test_a_small_gather_leaves_the_threads_of_later_calls_as_they_were():
    with FaultServer() as server, Client("calls", base_url=server.url) as client:
        server.on("/", steps.ok(after=0.3))
        assert all(client.gather(["/"] * 3))
        assert most_of(server, client, 12) == 12


def test_a_gather_of_few_has_its_threads_beside_calls_under_way():
    with FaultServer() as server, Client("calls", base_url=server.url) as client:
        server.on("/", steps.ok(after=0.3))
        futures = [client.submit("GET", "/") for _ in range(2)]
        assert all(client.gather(["/"] * 2, max_concurrent=2))
        assert all(future.result(20) for future in futures)
        assert server.journal.most_at_once == 4


def test_threads_follow_a_bulkhead_that_grows_and_shrinks(tmp_path):
    file = tmp_path / "services.toml"
    with FaultServer() as server:
        server.on("/", steps.ok(after=0.2))
        table = f'[clients.calls]\nbase_url = "{server.url}"\nbulkhead = {{ max_concurrent = %d, max_waiting = 0 }}\n'
        file.write_text(table % 2)
        policies = load_policies(file)
        with policies.client("calls") as client:
            for permits in (2, 6, 3):
                file.write_text(table % permits)
                policies.reload()
                assert most_of(server, client, 9) == permits


@contextlib.contextmanager
def one_under_way():
    """A client with one call under way and two in the queue behind it; what ends the first."""
    policy = Policy(bulkhead=Bulkhead(max_concurrent=1), retry=None)
    with FaultServer() as server:
        release = threading.Event()
        server.on("/", lambda request: release.wait(20) and steps.ok()(request))
        client = Client("calls", base_url=server.url, policy=policy)
        futures = [client.submit("GET", "/") for _ in range(3)]
        while not client.state().permits_in_use:
            time.sleep(0.001)
        yield client, futures, release
        release.set()
        assert futures[0].result(20)


@pytest.mark.parametrize("cancelled_before", [0, 1, 2])
def test_what_was_cancelled_by_leaving_wakes_those_who_wait_for_it(cancelled_before):
    with one_under_way() as (client, futures, _):
        for future in futures[1 : 1 + cancelled_before]:
            assert future.cancel()
        client.close(wait=False)
        done, _ = concurrent.futures.wait(futures[1:], timeout=20)
        assert len(done) == 2


def test_a_call_may_be_cancelled_while_the_client_waits_for_all_to_end():
    with one_under_way() as (client, futures, release), concurrent.futures.ThreadPoolExecutor() as threads:
        closing = threads.submit(client.close)
        while not client.closed:
            time.sleep(0.001)
        assert futures[2].cancel()
        release.set()
        assert closing.result(20) is None
        assert futures[1].result(20)
