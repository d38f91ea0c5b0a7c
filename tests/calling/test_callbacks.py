"""`on_complete=` hears of every result once; `map` and `and_then` chain what follows."""

import asyncio
import logging

import pytest

from resilient_client import AsyncClient, CallFailed, Client, Failure, Policy, Retry, Success
from resilient_client.testing import steps

QUICK = Policy(retry=Retry(wait_initial=0.001, wait_max=0.002))


def test_a_callback_is_given_the_result_once_and_before_the_caller(world):
    world.on("/", steps.status(503), then=steps.ok())
    heard = []
    result = world.client(policy=QUICK).get("/", on_complete=heard.append)
    assert [heard_of is result for heard_of in heard] == [True]
    assert len(result.attempts) == 2


def test_a_failure_is_a_result(world):
    world.on("/", steps.status(404))
    heard = []
    result = world.client().get("/", on_complete=heard.append)
    assert heard == [result]
    assert not result


def test_a_rejected_call_has_a_result_too(world):
    world.on("/", steps.ok())
    client = world.client()
    client.breaker(world.url).isolate()
    heard = []
    client.get("/", on_complete=heard.append)
    assert [result.kind for result in heard] == ["circuit_open"]


def test_a_callback_that_raises_loses_nothing(world, caplog):
    world.on("/", steps.ok())

    def broken(_):
        raise ZeroDivisionError

    client = world.client()
    with caplog.at_level(logging.ERROR, "resilient_client"):
        results = [client.get("/", on_complete=broken) for _ in range(3)]
    assert all(results)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


def test_a_stream_is_complete_when_it_is_over(world):
    world.on("/", steps.status(200, b"body"))
    heard = []
    streamed = world.client().stream("/", on_complete=lambda result: heard.append((result.status, result.content)))
    assert streamed.items == [b"body"]
    assert heard == [(200, b"")]


def test_a_stream_that_breaks_completes_with_its_failure(world):
    world.on("/", steps.short_body())
    heard = []
    streamed = world.client().stream("/", on_complete=heard.append)
    assert [result.kind for result in heard] == ["truncated"]
    assert streamed.failure.kind == "truncated"


def test_a_call_that_was_cancelled_has_no_result(wire):
    wire.on("/", steps.hang())
    client = wire.client().client
    if isinstance(client, Client):
        pytest.skip("a blocking call cannot be cancelled")
    heard = []

    async def scene():
        call = asyncio.ensure_future(client.get("/", on_complete=heard.append))
        await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    wire.runner.run(scene())
    assert heard == []


@pytest.mark.parametrize("facade", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("given", "says"), [(7, "give a function of the result"), (asyncio.sleep, "a coroutine function; give a plain one")]
)
def test_what_cannot_be_called_is_refused_at_once(facade, given, says):
    client = facade("orders", base_url="http://127.0.0.1:1")
    with pytest.raises(TypeError, match=says):
        client._call("GET", "/", None, {"on_complete": given})


def test_map_makes_a_value_of_an_answer(world):
    world.on("/", steps.ok({"id": 7}))
    result = world.client().get("/").map(lambda answer: answer.json()["id"])
    assert (result.value, result.status, len(result.attempts)) == (7, 200, 1)


def test_map_leaves_a_failure_alone(world):
    world.on("/", steps.status(404))
    failure = world.client().get("/")
    assert failure.map(lambda answer: answer.json()) is failure


def test_a_body_that_is_not_what_map_expects_is_a_failure(world):
    world.on("/", steps.text("no JSON"))
    result = world.client().get("/").map(lambda answer: answer.json()["id"])
    assert isinstance(result, Failure)
    assert (result.kind, result.status) == ("decode", 200)


def test_what_is_wrong_with_the_callers_own_code_is_raised(world):
    world.on("/", steps.ok({}))
    with pytest.raises(KeyError):
        world.client().get("/").map(lambda answer: answer.json()["id"])


def test_and_then_makes_the_next_call(virtual):
    virtual.on("/cart", steps.ok({"order": "/orders/7"}))
    virtual.on("/orders/7", steps.ok({"total": 12}))
    client = virtual.client()
    result = client.get("/cart").and_then(lambda cart: client.get(cart.json()["order"]))
    assert result.json() == {"total": 12}
    assert client.get("/nowhere").and_then(lambda _: pytest.fail("never called")).kind == "client_error"
    virtual.inner.script.unexpected.clear()


def test_and_then_await_awaits_it():
    async def following(answer):
        return answer

    async def unwrapping(answer):
        return Failure("reset", "broken", "/", 0.0, (), True, "not_retryable").unwrap()

    answer = Success(200, None, b"", "/", 0.0, ())
    failure = asyncio.run(answer.and_then_await(unwrapping))
    assert failure.kind == "reset"
    assert asyncio.run(answer.and_then_await(following)) is answer
    assert asyncio.run(failure.and_then_await(following)) is failure


def test_and_then_gives_back_the_failure_that_was_raised_in_it():
    answer = Success(200, None, b"", "/", 0.0, ())
    failure = Failure("reset", "broken", "/", 0.0, (), True, "not_retryable")

    def unwrapping(_):
        raise CallFailed(failure)

    assert answer.and_then(unwrapping) is failure
    assert answer.map(unwrapping) is failure
