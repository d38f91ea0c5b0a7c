"""Results and cancellation, line by line."""

import asyncio
import gc
import os
import pickle
import random
import signal
import threading
import time
import warnings
from dataclasses import dataclass
from typing import TypedDict

import pytest
from helpers import kinds, policy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilient_client import (
    AsyncClient,
    Breaker,
    Bulkhead,
    CallFailed,
    Client,
    ClientClosed,
    ConfigError,
    Failure,
    FailureKind,
    Headers,
    Policy,
    Retry,
    StopReason,
    Success,
    Timeouts,
)
from resilient_client.testing import FaultServer, VirtualWorld
from resilient_client.testing.steps import chance, close, drip_body, hang, ok, retry_after, status


@dataclass
class Order:
    id: int
    note: str = ""


class OrderDict(TypedDict):
    id: int


def test_a_success_has_everything_the_caller_needs(world):
    world.on("/orders/1", ok({"id": 1}))
    result = world.client().get("/orders/1")
    assert isinstance(result, Success)
    assert (result.ok, result.status, result.json(), result.text) == (True, 200, {"id": 1}, '{"id": 1}')
    assert result.headers["CONTENT-TYPE"] == "application/json"
    assert result.url.endswith("/orders/1")
    assert result.unwrap() is result
    assert len(result.attempts) == 1


def test_a_failure_carries_the_answer_and_unwraps_to_an_exception(world):
    world.on("/", status(404, "no such order"))
    result = world.client().get("/")
    assert isinstance(result, Failure)
    assert (result.status, result.content, result.text) == (404, b"no such order", "no such order")
    with pytest.raises(CallFailed, match="client_error") as failed:
        result.unwrap()
    assert failed.value.failure is result


def test_unwrap_keeps_the_cause(wire):
    wire.on("/", ok())
    wire.down()
    with pytest.raises(CallFailed) as failed:
        wire.client(policy=Policy(retry=None)).get("/").unwrap()
    assert isinstance(failed.value.__cause__, ConnectionRefusedError)


def test_expect_says_which_statuses_are_success(world):
    world.on("/", status(404))
    assert world.client().get("/", expect={200, 404}).ok
    world.on("/", ok())
    result = world.client().get("/", expect={204})
    assert (result.kind, result.status, result.stopped) == (FailureKind.UNEXPECTED, 200, StopReason.NOT_RETRYABLE)


def test_decode_folds_the_body_into_the_result(world):
    world.on("/", ok({"id": 7, "note": "x"}))
    client = world.client()
    assert client.get("/", decode=Order).value == Order(7, "x")
    assert client.get("/", decode=OrderDict).value["id"] == 7
    assert client.get("/", decode=dict[str, int | str]).value == {"id": 7, "note": "x"}
    assert client.get("/").decode(Order) == Order(7, "x")


def test_decode_takes_msgspec_structs_and_pydantic_models(world):
    import msgspec
    import pydantic

    class Struct(msgspec.Struct):
        id: int

    class Model(pydantic.BaseModel):
        id: int

    world.on("/", ok({"id": 7}))
    assert world.client().get("/", decode=Struct).value == Struct(7)
    assert world.client().get("/", decode=Model).value == Model(id=7)


def test_json_takes_dataclasses_models_and_structs(world):
    import msgspec
    import pydantic

    class Struct(msgspec.Struct):
        id: int

    class Model(pydantic.BaseModel):
        id: int

    world.on("/", ok())
    world.client().post("/", json=[Order(1), Struct(2), Model(id=3)])
    assert world.journal.requests[0].body == b'[{"id":1,"note":""},{"id":2},{"id":3}]'


def test_a_body_that_does_not_fit_is_a_failure_that_says_where(world):
    world.on("/", ok({"id": "seven"}))
    result = world.client().get("/", decode=Order)
    assert (result.kind, result.status) == (FailureKind.DECODE, 200)
    assert "id" in result.message
    assert result.content == b'{"id": "seven"}'


@pytest.mark.parametrize("nonsense", [42, lambda: None])
def test_something_that_is_no_type_to_decode_into_is_refused(world, nonsense):
    with pytest.raises(ConfigError, match="decode="):
        world.client().get("/", decode=nonsense)


def test_results_are_picklable(world):
    world.on("/", ok({"id": 1}), then=status(503))
    client = world.client(policy=policy())
    for result in (client.get("/"), client.get("/")):
        again = pickle.loads(pickle.dumps(result))
        assert again == result
        assert again.explain() == result.explain()


def test_a_failure_with_a_cause_that_cannot_be_pickled_is_picklable(wire):
    class Awkward(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    failure = Failure(
        FailureKind.UNEXPECTED, "m", "http://x/", 0.0, (), True, StopReason.NOT_RETRYABLE, cause=Awkward(1, 2)
    )
    assert "Awkward" in str(pickle.loads(pickle.dumps(failure)).cause)


@pytest.mark.parametrize("value", [Policy(), Timeouts(total=1), Retry(), Breaker(), Bulkhead(), Headers([("a", "b")])])
def test_values_are_picklable_and_hashable(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert hash(pickle.loads(pickle.dumps(value))) == hash(value)


def test_no_repr_shows_a_credential(world):
    world.on("/", status(404, headers=[("Set-Cookie", "sid=s3cret")]))
    headers = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret"}
    client = world.client(headers=headers)
    result = client.get("/?token=s3cret&access%5Ftoken=s3cret&sig=s3cret&q=visible", headers=headers)
    shown = " ".join(map(str, (repr(result), result.explain(), result.headers, repr(client.client), result.summary())))
    assert "s3cret" not in shown
    assert "visible" in shown


def test_explain_tells_the_story(virtual):
    virtual.on("/orders", retry_after(503, 2), close(), then=status(500))
    text = virtual.client().get("/orders").explain()
    assert "GET http://far.side/orders failed: server_error" in text
    for part in (
        "attempt 1: 503 Service Unavailable",
        "waited 2.",
        "attempt 2: reset",
        "attempt 3: 500",
        "max_attempts",
    ):
        assert part in text


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["ok", "slow", "503", "500", "429", "reset", "drip", "hang", "after"]), min_size=1, max_size=6
    ),
    st.integers(0, 2**32),
    st.floats(0.05, 20),
)
def test_attempts_are_complete_in_order_and_add_up_to_elapsed(script, seed, total):
    steps = {
        "ok": ok(),
        "slow": ok(after=3),
        "503": status(503),
        "500": status(500, after=0.3),
        "429": status(429),
        "reset": close(after=0.1),
        "drip": drip_body(4),
        "hang": hang(),
        "after": retry_after(503, 2),
    }
    world = VirtualWorld(seed)
    world.on("/", *(steps[name] for name in script))
    values = Policy(timeouts=Timeouts(total=total), retry=Retry(max_attempts=5), bulkhead=Bulkhead(max_concurrent=2))
    client = world.async_client(policy=values)
    for result in world.run(world.gather(*(client.get("/") for _ in range(4)))):
        assert [attempt.number for attempt in result.attempts] == list(range(1, len(result.attempts) + 1))
        assert sum(attempt.elapsed + attempt.wait for attempt in result.attempts) == pytest.approx(
            result.elapsed, abs=1e-3
        )
        assert result.elapsed <= total + 1e-9
        starts = [attempt.started for attempt in result.attempts]
        assert starts == sorted(starts)
    assert client.state().permits_in_use == 0


# Cancellation.


def test_cancelled_calls_leave_nothing_behind():
    """Thousands of calls cut off at random moments; afterwards every permit and connection can be used."""

    async def scene(server):
        problems = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        chosen = random.Random(1)
        values = Policy(retry=None, bulkhead=Bulkhead(max_concurrent=8, max_waiting=1000), breaker=None)
        async with AsyncClient("cut", base_url=server.url, policy=values) as client:
            for _ in range(40):
                tasks = [asyncio.create_task(client.get("/")) for _ in range(25)]
                for task in tasks:
                    await asyncio.sleep(chosen.random() * 0.002)
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert client.state().permits_in_use == 0
            assert client.state().queued == 0
            results = await asyncio.gather(*(client.get("/") for _ in range(8)))
            assert all(result.ok for result in results)
        gc.collect()
        await asyncio.sleep(0)
        return problems

    with FaultServer(strict=False) as server:
        server.on("/", chance(0.3, ok(after=0.002), ok(), seed=3))
        assert asyncio.run(scene(server)) == []


def test_cancellation_leaves_at_once(fault_server):
    fault_server.on("/", hang())

    async def scene():
        async with AsyncClient("cut", base_url=fault_server.url) as client:
            task = asyncio.create_task(client.get("/"))
            await wait_for(lambda: fault_server.journal.count() == 1)
            task.cancel()
            started = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert client.state().permits_in_use == 0
            return time.monotonic() - started

    assert asyncio.run(scene()) < 1


async def wait_for(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to pass")


def test_a_keyboard_interrupt_gives_back_permit_and_connection(fault_server):
    fault_server.on("/", hang(), then=ok())
    values = policy(bulkhead=Bulkhead(max_concurrent=1, max_waiting=0))
    with Client("cut", base_url=fault_server.url, policy=values) as client:

        def interrupt():
            while fault_server.journal.count() == 0:
                threading.Event().wait(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            client.get("/")
        thread.join()
        assert client.state().permits_in_use == 0
        assert client.get("/").ok


# Lifetimes.


def test_a_closed_client_says_so_in_one_sentence(world):
    client = world.client()
    world.finish(client.client.close()) if "async" in world.name else client.client.close()
    with pytest.raises(ClientClosed, match="the client 'far-side' is closed"):
        client.get("/")


def test_closing_twice_is_harmless(wire):
    client = wire.client().client
    for _ in range(2):
        if wire.name == "wire-async":
            wire.runner.run(client.close())
        else:
            client.close()


def test_one_async_client_works_from_two_event_loops(fault_server):
    fault_server.on("/", ok())
    client = AsyncClient("two", base_url=fault_server.url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the first loop is closed with a connection open
        assert asyncio.run(client.get("/")).ok
        assert asyncio.run(client.get("/")).ok
        asyncio.run(client.close())
        gc.collect()
    fault_server.journal.assert_connections(2)


def test_one_async_client_works_from_two_running_loops_at_once(fault_server):
    fault_server.on("/", ok())
    client = AsyncClient("two", base_url=fault_server.url)
    both = threading.Barrier(2)
    results = []

    async def calls():
        both.wait(5)
        for _ in range(20):
            results.append(await client.get("/"))
        await client.close() if False else None

    threads = [threading.Thread(target=asyncio.run, args=(calls(),)) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(client.close())
        gc.collect()
    assert len(results) == 40
    assert all(result.ok for result in results)


def test_after_a_fork_the_child_opens_its_own_connections(fault_server):
    fault_server.on("/", ok())
    with Client("forked", base_url=fault_server.url) as client:
        assert client.get("/").ok
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads, which is the point here
            child = os.fork()
        if child == 0:
            answers = [client.get("/").status for _ in range(3)]
            os.write(writer, repr(answers).encode())
            os._exit(0)
        assert client.get("/").ok
        os.waitpid(child, 0)
        assert os.read(reader, 100) == b"[200, 200, 200]"
        os.close(reader)
        os.close(writer)
    connections = [seen.connection for seen in fault_server.journal.requests]
    assert len(set(connections)) == 2


def test_fork_while_permits_are_held_leaves_the_child_free(fault_server):
    fault_server.on("/", ok(after=0.3), then=ok())
    values = policy(bulkhead=Bulkhead(max_concurrent=1, max_waiting=0))
    with Client("forked", base_url=fault_server.url, policy=values) as client:
        thread = threading.Thread(target=client.get, args=("/",))
        thread.start()
        while client.state().permits_in_use == 0:
            threading.Event().wait(0.005)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os._exit(0 if client.get("/").ok and client.state().permits_in_use == 0 else 1)
        _, code = os.waitpid(child, 0)
        thread.join()
    assert os.waitstatus_to_exitcode(code) == 0


def test_kinds_and_reasons_are_the_closed_lists_of_the_contract():
    assert [str(kind) for kind in FailureKind] == (
        "dns connect tls connect_timeout pool_timeout read_timeout write_timeout attempt_timeout deadline reset "
        "truncated protocol too_large decode redirect blocked client_error throttled server_error circuit_open "
        "bulkhead_full local unexpected"
    ).split()
    assert [str(reason) for reason in StopReason] == (
        "not_retryable not_idempotent body_not_replayable max_attempts deadline budget retry_after_too_long rejected"
    ).split()


def test_kinds_of_a_mixed_call_are_in_order(virtual):
    virtual.on("/", close(), status(503), then=ok())
    assert kinds(virtual.client().get("/")) == ["reset", "server_error", None]
