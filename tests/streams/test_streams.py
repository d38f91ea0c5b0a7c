"""Answers that are read piece by piece: what holds while they are open, and how they end."""

import asyncio
import contextlib
import gzip
import threading

import pytest

from resilient_client import (
    AsyncClient,
    Breaker,
    Bulkhead,
    CallFailed,
    Client,
    FailureKind,
    Policy,
    Retry,
    RetryBudget,
    Timeouts,
    deadline,
)
from resilient_client.events import AttemptEnded, CallCancelled, CallGivenUp, CallSucceeded
from resilient_client.testing import VirtualWorld, steps
from resilient_client.testing.script import Data, Head, Pause

QUICK = Retry(wait_initial=0.001, wait_max=0.002)


def text(content, **options):
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    return steps.status(200, content.encode(), headers=headers, **options)


@pytest.mark.parametrize(
    ("how", "items"),
    [
        ("iter_text", ["one\r\ntwo\n\nthree ü"]),
        ("iter_lines", ["one", "two", "", "three ü"]),
        ("iter_bytes", ["one\r\ntwo\n\nthree ü".encode()]),
    ],
)
def test_a_body_is_given_as_bytes_as_text_and_as_lines(world, how, items):
    world.on("/", text("one\r\ntwo\n\nthree ü"))
    streamed = world.client().stream("/", how)
    whole = items[0][:0]
    assert streamed.items == items if how == "iter_lines" else whole.join(streamed.items) == whole.join(items)
    assert (streamed.result.status, streamed.result.content, streamed.failure) == (200, b"", None)


def test_server_sent_events_are_given_one_by_one(world):
    world.on("/", text(": hi\n\nid: 1\ndata: a\ndata: b\n\nevent: done\nretry: 10\ndata\n\ndata: never"))
    events = world.client().stream("/", "iter_events").items
    assert [(event.event, event.data, event.id, event.retry) for event in events] == [
        ("message", "a\nb", "1", None),
        ("done", "", "1", 10),
    ]


def test_attempts_go_on_until_the_first_bytes_have_come(world):
    world.on("/", steps.status(503), steps.reset(), steps.short_body(promised=9, sent=b""), then=text("whole"))
    streamed = world.client(policy=Policy(retry=Retry(max_attempts=4, wait_initial=0.001, wait_max=0.002))).stream("/")
    assert b"".join(streamed.items) == b"whole"
    assert [str(attempt.kind) for attempt in streamed.result.attempts] == ["server_error", "reset", "truncated", "None"]


def test_a_body_that_dies_half_way_raises_with_its_failure_and_is_not_sent_again(world):
    world.on("/", steps.short_body(promised=100, sent=b"begun"))
    client = world.client(policy=Policy(retry=QUICK))
    streamed = client.stream("/")
    assert b"".join(streamed.items) == b"begun"
    failure = streamed.failure
    assert (failure.kind, failure.status, failure.sent) == (FailureKind.TRUNCATED, 200, True)
    assert [str(attempt.kind) for attempt in failure.attempts] == ["truncated"]
    assert "stopped: not_retryable (its answer had begun to be read, and is not asked for" in failure.explain()
    world.journal.assert_requests(1)
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 1)
    assert client.state().permits_in_use == 0


def test_an_answer_that_is_no_success_is_a_failure_with_its_content(world):
    world.on("/", steps.status(404, b'{"error": "none"}'))
    result = world.client().stream("/").result
    assert (result.kind, result.content) == (FailureKind.CLIENT_ERROR, b'{"error": "none"}')


def test_an_expected_status_is_streamed(world):
    world.on("/", steps.status(404, b"no"))
    streamed = world.client().stream("/", expect={404})
    assert (streamed.result.status, streamed.items) == (404, [b"no"])


def test_a_body_of_nothing_is_a_stream_of_nothing(world):
    world.on("/", steps.status(204))
    client = world.client()
    streamed = client.stream("/", "iter_lines")
    assert (streamed.result.status, streamed.items) == (204, [])
    assert client.state().permits_in_use == 0
    assert client.get("/").attempts[0].reused


def test_a_body_that_is_read_to_its_end_leaves_its_connection_for_the_next(world):
    client = world.client()
    client.stream("/text")
    client.stream("/text")
    world.journal.assert_connections(1)


def test_codings_are_undone_on_the_way(world):
    world.on("/", steps.status(200, gzip.compress(b"line\n" * 50_000), headers=[("Content-Encoding", "gzip")]))
    lines = world.client().stream("/", "iter_lines").items
    assert lines == ["line"] * 50_000


def test_a_coding_that_is_cut_off_is_told(world):
    world.on("/", steps.cut_gzip())
    assert world.client().stream("/").failure.kind == FailureKind.DECODE


def test_the_cap_holds_for_all_pieces_together(world):
    world.on("/", steps.gzip_bomb(50 * 1024 * 1024))
    streamed = world.client(policy=Policy(max_body=1024 * 1024)).stream("/")
    assert streamed.failure.kind == FailureKind.TOO_LARGE
    assert sum(map(len, streamed.items)) <= 1024 * 1024


# Time.


def test_the_deadline_runs_on(world):
    world.on("/", steps.drip_body(4, pieces=100))
    client = world.client(policy=Policy(timeouts=Timeouts(total=0.8), breaker=Breaker(consecutive=1)))
    streamed = client.stream("/")
    assert streamed.items
    assert (streamed.failure.kind, streamed.failure.stopped) == (FailureKind.DEADLINE, "deadline")
    assert 0.75 < streamed.failure.elapsed < 3
    assert next(iter(client.state().circuits.values())).state == "closed"


def test_the_timeout_of_an_attempt_is_over_with_the_first_bytes(virtual):
    virtual.on("/", steps.drip_body(4))
    client = virtual.client(policy=Policy(timeouts=Timeouts(attempt=1, total=10)))
    assert client.stream("/").failure is None


def test_a_silence_in_the_middle_is_a_read_timeout():
    world = VirtualWorld()
    world.on("/", lambda _: [Head(200, (("Content-Length", "9"),)), Data(b"begun"), Pause(60)])
    client = world.client(policy=Policy(timeouts=Timeouts(read=2)))
    with client.stream("GET", "/") as result, pytest.raises(CallFailed) as failed:
        list(result.iter_bytes())
    assert failed.value.failure.kind == FailureKind.READ_TIMEOUT


def test_a_reader_that_takes_its_time_spends_the_deadline():
    world = VirtualWorld()
    world.on("/", steps.endless_body(piece=b"x", every=0.1))
    client = world.async_client(policy=Policy(timeouts=Timeouts(total=5, read=1)))

    async def main():
        async with client.stream("GET", "/") as result:
            async for _ in result.iter_bytes():
                await world.sleep(2)

    with pytest.raises(CallFailed) as failed:
        world.run(main())
    assert failed.value.failure.kind == FailureKind.DEADLINE
    assert world.now == pytest.approx(6, abs=0.5)


def test_an_ambient_deadline_bounds_a_stream():
    world = VirtualWorld()
    world.on("/", steps.endless_body(piece=b"x", every=0.1))

    async def main():
        with deadline(3):
            async with world.async_client().stream("GET", "/") as result:
                async for _ in result.iter_bytes():
                    pass

    with pytest.raises(CallFailed) as failed:
        world.run(main())
    assert (failed.value.failure.kind, world.now) == (FailureKind.DEADLINE, pytest.approx(3))


def test_without_a_deadline_a_stream_may_last_for_ever(virtual):
    virtual.on("/", steps.event_lines([f"data: {hour}\n" for hour in range(24)], every=3600))
    policy = Policy(timeouts=Timeouts(attempt=None, total=None, read=4000))
    streamed = virtual.client(policy=policy).stream("/", "iter_events")
    assert [event.data for event in streamed.items] == [str(hour) for hour in range(24)]
    assert streamed.failure is None
    assert virtual.now() == pytest.approx(24 * 3600)


# What is held while it is open, and given back however it ends.


def at_rest(client):
    state = client.state()
    return (state.permits_in_use, state.queued)


def test_leaving_early_gives_the_permit_back_and_closes_the_connection(world):
    world.on("/", steps.endless_body(every=0.001))
    client = world.client(policy=Policy(timeouts=Timeouts(total=20)))
    streamed = client.stream("/", upto=2)
    assert len(streamed.items) == 2
    assert at_rest(client) == (0, 0)
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 0)
    assert not client.get("/text").attempts[0].reused


def test_the_permit_is_held_while_it_is_open():
    world = VirtualWorld()
    world.on("/", text("abc"))
    client = world.client(policy=Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1, max_waiting=0)))
    with client.stream("GET", "/") as result:
        assert client.state().permits_in_use == 1
        assert client.get("/").kind == FailureKind.BULKHEAD_FULL
        assert list(result.iter_text()) == ["abc"]
        assert client.state().permits_in_use == 0


@pytest.mark.parametrize(("answer", "given_back"), [(steps.status(200, b"abc"), 1), (steps.short_body(), 0)])
def test_tokens_come_back_when_it_ends_well(answer, given_back):
    world = VirtualWorld()
    world.on("/", steps.status(503), then=answer)
    budget = RetryBudget(ratio=0, min_per_second=0, burst=5)
    client = world.client(policy=Policy(retry=Retry(wait_initial=0.001, wait_max=0.002, budget=budget)))
    with contextlib.suppress(CallFailed), client.stream("GET", "/") as result:
        assert client.state().budget == 4
        list(result.iter_bytes())
    assert client.state().budget == 4 + given_back


def test_a_probe_is_on_its_way_while_its_body_is_read():
    world = VirtualWorld()
    world.on("/", steps.status(500), then=text("abc"))
    client = world.client(policy=Policy(retry=None, breaker=Breaker(consecutive=1, open_for=2, closes_after=1)))
    client.get("/")
    world.advance(3)
    with client.stream("GET", "/") as result:
        assert client.get("/").kind == FailureKind.CIRCUIT_OPEN
        list(result.iter_bytes())
    assert client.breaker().state == "closed"


def test_a_probe_whose_reader_is_interrupted_frees_its_place():
    world = VirtualWorld()
    world.on("/", steps.status(500), then=text("abc"))
    client = world.client(policy=Policy(retry=None, breaker=Breaker(consecutive=1, open_for=2, closes_after=1)))
    client.get("/")
    world.advance(3)
    with pytest.raises(KeyboardInterrupt), client.stream("GET", "/"):
        raise KeyboardInterrupt
    assert client.breaker().state == "half-open"
    assert client.get("/").ok


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_in_the_block_gives_everything_back(wire, error):
    client = wire.client()
    wire.on("/", steps.endless_body(every=0.001))

    def blocking():
        with client.client.stream("GET", "/") as result:
            for _ in result.iter_bytes():
                raise error

    async def asynchronous():
        async with client.client.stream("GET", "/") as result:
            async for _ in result.iter_bytes():
                raise error

    with pytest.raises(error):
        if isinstance(client.client, AsyncClient):
            run_raising(wire, asynchronous())
        else:
            blocking()
    assert at_rest(client) == (0, 0)
    assert client.get("/text").ok


def run_raising(wire, coroutine):
    """Run a coroutine that may raise what a loop would take for its own end."""

    async def kept():
        try:
            await coroutine
        except BaseException as problem:
            return problem

    problem = wire.finish(kept())
    raise problem


def test_a_task_that_is_cancelled_while_it_reads_gives_everything_back(fault_server):
    fault_server.on("/", steps.drip_body(60, pieces=1000))
    told = []

    async def main():
        async with AsyncClient("a", base_url=fault_server.url, listeners=[told.append]) as client:
            begun = asyncio.Event()

            async def read():
                async with client.stream("GET", "/") as result:
                    async for _ in result.iter_bytes():
                        begun.set()

            task = asyncio.ensure_future(read())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert at_rest(client) == (0, 0)
            assert (await client.get("/text")).ok
            (circuit,) = client.state().circuits.values()
            assert (circuit.calls, circuit.failures) == (1, 0)  # the cancelled one says nothing

    asyncio.run(main())
    assert [type(event) for event in told if isinstance(event, (CallCancelled, CallSucceeded))] == [
        CallCancelled,
        CallSucceeded,
    ]


def test_a_stream_that_is_only_opened_gives_everything_back(world):
    client = world.client()
    streamed = client.stream("/text", upto=0)
    assert (streamed.result.status, streamed.items) == (200, [])
    assert at_rest(client) == (0, 0)
    assert not client.get("/text").attempts[0].reused


def test_many_streams_at_once_are_all_whole(wire):
    content = b"0123456789" * 20_000
    wire.on("/", steps.status(200, content))
    client = wire.client(policy=Policy(timeouts=Timeouts(total=60)))
    if isinstance(client.client, AsyncClient):

        async def one():
            async with client.client.stream("GET", "/") as result:
                return b"".join([piece async for piece in result.iter_bytes()])

        bodies = wire.together([one] * 20)
    else:

        def one():
            with client.client.stream("GET", "/") as result:
                return b"".join(result.iter_bytes())

        bodies = wire.together([one] * 20)
    assert bodies == [content] * 20
    assert at_rest(client) == (0, 0)


def test_a_reader_sets_the_pace(fault_server):
    fault_server.on("/", steps.endless_body())
    with Client("a", base_url=fault_server.url, policy=Policy(max_body=10**12)) as client:
        with client.stream("GET", "/") as result:
            pieces = result.iter_bytes()
            read = sum(len(next(pieces)) for _ in range(50))
            sent = -1
            while sent != (sent := fault_server.journal.bytes_out):  # it goes on as far as the sockets let it
                threading.Event().wait(0.2)
            assert sent < read + 64 * 1024 * 1024
        assert at_rest(client) == (0, 0)


# What is told.


def test_the_end_of_a_stream_is_the_end_of_its_call(virtual):
    virtual.on("/", steps.drip_body(2, pieces=2))
    told = []
    client = virtual.client(listeners=[told.append])
    client.stream("/")
    (ended,) = [event for event in told if isinstance(event, CallSucceeded)]
    assert ended.result.elapsed == pytest.approx(2)
    assert ended.result.attempts[0].elapsed == pytest.approx(2)
    (attempt,) = [event.attempt for event in told if isinstance(event, AttemptEnded)]
    assert attempt == ended.result.attempts[0]


def test_a_stream_that_fails_half_way_is_told_as_given_up(virtual):
    virtual.on("/", steps.short_body(promised=100, sent=b"begun"))
    told = []
    virtual.client(listeners=[told.append]).stream("/")
    (ended,) = [event for event in told if isinstance(event, CallGivenUp)]
    assert ended.result.kind == FailureKind.TRUNCATED
    (attempt,) = [event.attempt for event in told if isinstance(event, AttemptEnded)]
    assert attempt.kind == FailureKind.TRUNCATED


def test_a_stream_shows_no_credential(virtual):
    virtual.on("/", text("abc"))
    shown = repr(virtual.client().stream("/?token=s3cret").result)
    assert shown.startswith(("Stream(200 GET", "AsyncStream(200 GET"))
    assert "s3cret" not in shown


def test_wrong_options_raise_when_the_block_begins(virtual):
    client = virtual.client()
    with pytest.raises(TypeError, match="unknown option"):
        client.stream("/", nonsense=1)
    with pytest.raises(TypeError, match="unknown option decode="):
        client.stream("/", decode=dict)
    virtual.journal.assert_requests(0)
    assert at_rest(client) == (0, 0)
