"""Streams used in ways nobody meant: twice, too late, from two sides, and interrupted at any moment."""

import asyncio
import gc
import os
import threading

import pytest

from resilient_client import AsyncClient, CallFailed, Client, Policy, Retry, StreamClosed, Timeouts
from resilient_client.events import CallCancelled, CallSucceeded, ExchangeEnded
from resilient_client.live import LiveBody
from resilient_client.testing import FaultServer, VirtualWorld, steps
from resilient_client.testing.script import Data, Head, Pause

LONG = Policy(timeouts=Timeouts(total=20))


@pytest.fixture
def client():
    return VirtualWorld().client(policy=LONG)


def permits(client):
    return client.state().permits_in_use


# Twice, too late.


def test_a_body_comes_once(client):
    with client.stream("GET", "/text") as result:
        assert list(result.iter_text()) == ["ok"]
        with pytest.raises(StreamClosed, match="one iterator"):
            result.iter_text()


def test_a_second_iterator_would_get_holes(client):
    with client.stream("GET", "/text") as result:
        pieces = result.iter_bytes()
        with pytest.raises(StreamClosed, match="one iterator"):
            result.iter_lines()
        assert b"".join(pieces) == b"ok"


def test_a_body_of_nothing_comes_once_as_well(client):
    with client.stream("HEAD", "/text") as result:
        assert list(result.iter_bytes()) == []
        with pytest.raises(StreamClosed):
            result.iter_bytes()


def test_after_the_block_there_is_no_body(client):
    with client.stream("GET", "/text") as result:
        pieces = result.iter_bytes()
    with pytest.raises(StreamClosed, match="inside the `with`"):
        next(pieces)


def test_after_the_block_a_body_that_was_read_whole_is_at_its_end(client):
    with client.stream("GET", "/text") as result:
        pieces = result.iter_bytes()
        assert next(pieces) == b"ok"
        assert list(pieces) == []
    assert list(pieces) == []


def test_after_it_failed_there_is_no_more():
    world = VirtualWorld()
    world.on("/", steps.short_body(promised=100, sent=b"begun"))
    with world.client().stream("GET", "/") as result:
        with pytest.raises(CallFailed):
            list(result.iter_bytes())
        with pytest.raises(StreamClosed):
            list(result.iter_bytes())


def test_after_the_block_an_asynchronous_body_is_gone():
    world = VirtualWorld()

    async def main():
        async with world.async_client().stream("GET", "/text") as result:
            pieces = result.iter_bytes()
        with pytest.raises(StreamClosed):
            await anext(pieces)

    world.run(main())


def test_an_iterator_that_is_left_half_way_holds_nothing():
    world = VirtualWorld()
    world.on("/", steps.drip_body(4))
    client = world.async_client()

    async def main():
        async with client.stream("GET", "/") as result:
            async for _ in result.iter_bytes():
                break
            pieces = result.live
            assert permits(client) == 1
        assert pieces.closed
        assert permits(client) == 0

    world.run(main())


def test_a_generator_around_a_stream_gives_everything_back_when_it_is_dropped(client):
    def lines():
        with client.stream("GET", "/text") as result:
            yield from result.iter_lines()

    reading = lines()
    assert next(reading) == "ok"
    reading.close()
    assert permits(client) == 0


def test_leaving_while_another_task_reads_tells_that_task(fault_server):
    fault_server.on("/", lambda _: [Head(200, (("Content-Length", "9"),)), Data(b"begun"), Pause(60)])

    async def main():
        async with AsyncClient("a", base_url=fault_server.url, policy=LONG) as client:

            async def read(pieces, first):
                async for _ in pieces:
                    first.set()

            async with client.stream("GET", "/") as result:
                first = asyncio.Event()
                task = asyncio.ensure_future(read(result.iter_bytes(), first))
                await first.wait()
                await asyncio.sleep(0.01)
            with pytest.raises(StreamClosed):
                await asyncio.wait_for(task, 5)
            assert permits(client) == 0

    asyncio.run(main())


# Clients that are closed, processes that fork.


def test_closing_the_client_lets_a_stream_go_on(fault_server):
    fault_server.on("/", steps.drip_body(0.2, pieces=4))
    client = Client("a", base_url=fault_server.url)
    with client.stream("GET", "/") as result:
        client.close()
        assert b"".join(result.iter_bytes()) == b"...."
    fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)
    assert permits(client) == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_does_not_read_its_parents_stream(fault_server):
    fault_server.on("/", steps.drip_body(0.5, pieces=5))
    told = []
    with Client("a", base_url=fault_server.url, listeners=[told.append]) as client:
        with client.stream("GET", "/") as result:
            pieces = result.iter_bytes()
            first = next(pieces)
            child = os.fork()
            if child == 0:
                os._exit(in_child(pieces, result.live, told))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert first + b"".join(pieces) == b"....."


def in_child(pieces, live, told):
    """Return 0 when the child can neither read nor tell; its end of the connection is a copy."""
    before = len(told)
    try:
        next(pieces)
    except StreamClosed:
        live.close()
        return 0 if len(told) == before else 2
    return 1


# Interrupts.


class Interrupting:
    """A listener that interrupts at one kind of event, as Ctrl-C would at that moment."""

    def __init__(self, kind):
        self.hears = (kind,)

    def __call__(self, event):
        raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [ExchangeEnded, CallSucceeded])
def test_an_interrupt_while_it_is_let_go_of_loses_no_permit(kind):
    client = VirtualWorld().client(listeners=[Interrupting(kind)])
    with pytest.raises(KeyboardInterrupt), client.stream("GET", "/text"):
        pass
    assert permits(client) == 0


def test_an_interrupt_while_its_connection_is_closed_loses_nothing(monkeypatch, fault_server):
    fault_server.on("/", steps.endless_body(every=0.001))
    with Client("a", base_url=fault_server.url, policy=LONG) as client:
        with pytest.raises(KeyboardInterrupt), client.stream("GET", "/") as result:
            monkeypatch.setattr(result.live, "_over", lambda outcome: (monkeypatch.undo(), interrupt()))
            assert permits(client) == 1
        assert permits(client) == 0
        fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)


def test_an_interrupt_before_the_block_begins_loses_nothing(monkeypatch, fault_server):
    """Between the pipeline's return and the block, where nobody has the stream yet."""
    told = []
    fault_server.on("/", steps.endless_body(every=0.001))
    gc.disable()
    try:
        with Client("a", base_url=fault_server.url, policy=LONG, listeners=[told.append]) as client:
            run = client._backend.run
            monkeypatch.setattr(client._backend, "run", lambda pipeline: interrupt(run(pipeline)))
            with pytest.raises(KeyboardInterrupt), client.stream("GET", "/"):
                pass
            assert permits(client) == 0
            fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)
    finally:
        gc.enable()
    assert [event for event in told if isinstance(event, CallCancelled)]


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interrupt_on_the_way_up_through_the_layers_loses_nothing(monkeypatch, fault_server):
    """After the body was opened, before any layer knows of it."""
    fault_server.on("/", steps.endless_body(every=0.001))
    monkeypatch.setattr(LiveBody, "on_close", interrupt)
    with Client("a", base_url=fault_server.url, policy=LONG) as client:
        with pytest.raises(KeyboardInterrupt), client.stream("GET", "/"):
            pass
        monkeypatch.undo()
        fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)
        assert permits(client) == 0
        assert client.get("/text").ok


def test_streams_leave_no_garbage_that_waits_for_a_collection(client):
    with client.stream("GET", "/text") as result:
        list(result.iter_bytes())
    del result
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(thing, LiveBody) for thing in gc.get_objects())
        with client.stream("GET", "/text") as result:
            list(result.iter_bytes())
        del result
        assert sum(isinstance(thing, LiveBody) for thing in gc.get_objects()) == before
    finally:
        gc.enable()


def test_a_listener_that_raises_stops_nobody(client):
    def broken(event):
        raise LookupError(event)

    client = VirtualWorld().client(listeners=[broken])
    with client.stream("GET", "/text") as result:
        assert list(result.iter_bytes()) == [b"ok"]
    assert permits(client) == 0


# A strategy of the caller's that wants another answer.


def test_an_answer_that_a_strategy_turns_down_is_let_go_of(world):
    world.on("/", steps.status(202, b"not yet"), then=steps.status(200, b"done"))
    again = Retry(wait_initial=0.001, wait_max=0.002, retry=lambda state: state.outcome.result().status == 202)
    client = world.client(policy=Policy(retry=again))
    streamed = client.stream("/")
    assert b"".join(streamed.items) == b"done"
    assert [attempt.status for attempt in streamed.result.attempts] == [202, 200]
    assert permits(client) == 0
    assert client.get("/text").attempts[-1].reused


def test_threads_that_leave_at_random_leave_nothing(fault_server):
    fault_server.on("/", steps.endless_body(piece=b"x" * 1000, every=0.0005))
    with Client("a", base_url=fault_server.url, policy=LONG) as client:

        def some(number):
            for turn in range(5):
                with client.stream("GET", "/") as result:
                    for at, _ in enumerate(result.iter_bytes()):
                        if at >= (number + turn) % 4:
                            break

        threads = [threading.Thread(target=some, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert permits(client) == 0
        fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)


def test_tasks_that_are_cancelled_at_random_leave_nothing():
    with FaultServer(strict=False) as server:
        server.on("/", steps.endless_body(piece=b"x" * 1000, every=0.001))

        async def one(client):
            async with client.stream("GET", "/") as result:
                async for _ in result.iter_bytes():
                    pass

        async def main():
            async with AsyncClient("a", base_url=server.url, policy=LONG) as client:
                tasks = [asyncio.ensure_future(one(client)) for _ in range(60)]
                for place, task in enumerate(tasks):
                    asyncio.get_running_loop().call_later(0.002 * place, task.cancel)
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                assert {type(each) for each in ended} == {asyncio.CancelledError}
                assert permits(client) == 0

        asyncio.run(main())
        server.journal.wait_until(lambda journal: journal.in_progress == 0)
