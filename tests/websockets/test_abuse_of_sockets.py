"""WebSockets that are interrupted at any moment, forked, taken to another event loop, or whose server dies."""

import asyncio
import gc
import os
import threading

import pytest
from raw_far_side import far_side, text
from wsproto.connection import SERVER, Connection

from resilient_client import AsyncClient, CallFailed, Client, FailureKind, Policy, StreamClosed, Timeouts
from resilient_client.events import CallCancelled, CallSucceeded, ExchangeEnded
from resilient_client.still_open import StillOpen
from resilient_client.testing import FaultServer, VirtualWorld, steps
from resilient_client.testing.script import Pause

LONG = Policy(timeouts=Timeouts(total=20))


def permits(client):
    return client.state().permits_in_use


def interrupt(*_, **__):
    raise KeyboardInterrupt


class CancelledAt:
    """Awaits a coroutine, and cancels its task when it waits for the n-th time."""

    def __init__(self, coroutine, place):
        self.coroutine = coroutine
        self.place = place
        self.waits = 0

    def __await__(self):
        inner = self.coroutine.__await__()
        step, given = inner.send, None
        while True:
            try:
                waits_for = step(given)
            except StopIteration as finished:
                return finished.value
            self.waits += 1
            if self.waits == self.place:
                asyncio.current_task().cancel()
            try:
                step, given = inner.send, (yield waits_for)
            except BaseException as error:
                step, given = inner.throw, error


# Cancellation.


@pytest.mark.parametrize("tls", [None, "valid"], ids=["ws", "wss"])
def test_cancelled_at_any_await_of_its_life_it_leaves_nothing(tls):
    """The handshake, a message each way, and the goodbye."""
    with FaultServer(tls=tls, strict=False) as server:
        server.on("/", steps.websocket())
        verify = server.client_context() if tls else True

        async def life(client):
            async with client.websocket("/") as socket:
                await socket.send("x" * 100_000)
                await socket.receive()

        async def main():
            places = 0
            async with AsyncClient("a", base_url=server.url, verify=verify, policy=LONG) as client:
                while True:
                    places += 1
                    running = CancelledAt(life(client), places)
                    task = asyncio.ensure_future(awaited(running))
                    await asyncio.wait([task], timeout=20)
                    assert permits(client) == 0
                    if not task.cancelled():
                        await task
                        return places

        assert asyncio.run(main()) > 4
        server.journal.wait_until(lambda journal: journal.in_progress == 0)


async def awaited(thing):
    return await thing


def test_tasks_that_are_cancelled_at_random_leave_nothing():
    with FaultServer(strict=False) as server:
        server.on("/", steps.websocket())

        async def one(client):
            async with client.websocket("/") as socket:
                while True:
                    await socket.send("x" * 20_000)
                    await socket.receive()

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


def test_a_receive_that_is_cancelled_loses_no_byte():
    """Each message comes in three pieces with pauses, and every wait is cancelled after a moment of any length."""

    def behave(sock):
        for number in range(40):
            frame = text(f"message {number}")
            for piece in (frame[:1], frame[1:5], frame[5:]):
                sock.sendall(piece)
                pause.wait(0.001)

    pause = threading.Event()

    async def main(url):
        heard, cancelled = [], 0
        async with AsyncClient("a") as client, client.websocket(url) as socket:
            while len(heard) < 40:
                try:
                    async with asyncio.timeout(0.0003 * (cancelled % 7)):
                        heard.append(await socket.receive())
                except TimeoutError:
                    cancelled += 1
            socket.live.close()  # the far side says no goodbye
        assert cancelled > 10
        return heard

    with far_side(behave) as url:
        assert asyncio.run(main(url)) == [f"message {number}" for number in range(40)]


def test_a_send_that_is_cancelled_half_way_goes_out_whole():
    """The next message must not be taken for the rest of it."""
    go_on = threading.Event()

    def behave(sock):
        go_on.wait(20)
        reading, sizes, parts = Connection(SERVER), [], []
        while len(sizes) < 2:
            reading.receive_data(sock.recv(1 << 16))
            for event in reading.events():
                parts.append(len(event.data))
                if event.message_finished:
                    sizes.append(sum(parts))
                    parts.clear()
        sock.sendall(text(str(sizes)))

    async def main(url):
        async with AsyncClient("a") as client, client.websocket(url) as socket:
            sending = CancelledAt(socket.send("x" * (1 << 24)), 5)
            task = asyncio.ensure_future(awaited(sending))
            await asyncio.wait([task])
            assert task.cancelled()
            go_on.set()
            await socket.send("after")
            heard = await socket.receive()
            socket.live.close()  # the far side says no goodbye
            return heard

    with far_side(behave) as url:
        assert asyncio.run(main(url)) == str([1 << 24, 5])


def test_a_sender_that_is_cancelled_while_others_send_takes_nobodys_turn():
    async def main(url):
        async with AsyncClient("a") as client, client.websocket(url) as socket:
            stuck = asyncio.ensure_future(socket.send(b"x" * (1 << 24)))
            await asyncio.sleep(0)
            waiting = [asyncio.ensure_future(socket.send("never")) for _ in range(3)]
            await asyncio.sleep(0)
            for task in waiting[:2]:
                task.cancel()
            await asyncio.wait(waiting[:2])
            go_on.set()
            await asyncio.wait_for(stuck, 20)
            await asyncio.wait_for(waiting[2], 20)
            socket.live.close()  # the far side says no goodbye

    def behave(sock):
        go_on.wait(20)
        while sock.recv(1 << 16):
            pass

    go_on = threading.Event()
    with far_side(behave) as url:
        asyncio.run(main(url))


def test_leaving_by_cancellation_does_not_wait_for_the_server():
    world = VirtualWorld()
    world.on("/", steps.websocket(lambda _: iter([Pause(1000)])))
    client = world.async_client()

    async def main():
        async with client.websocket("/") as socket:
            await socket.receive()

    flow = world.spawn(main())
    world.advance(1)
    flow.cancel()
    world.advance(0)
    assert flow.done
    assert permits(client) == 0
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (0, 0)


# Interrupts.


class Interrupting:
    """A listener that interrupts at one kind of event, as Ctrl-C would at that moment."""

    def __init__(self, kind):
        self.hears = (kind,)

    def __call__(self, event):
        raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [ExchangeEnded, CallSucceeded])
def test_an_interrupt_while_it_is_let_go_of_loses_no_permit(kind):
    world = VirtualWorld()
    world.on("/", steps.websocket())
    client = world.client(listeners=[Interrupting(kind)])
    with pytest.raises(KeyboardInterrupt), client.websocket("/"):
        pass
    assert permits(client) == 0


@pytest.mark.parametrize("place", ["receive", "drain", "put"])
def test_an_interrupt_while_it_waits_leaves_at_once(monkeypatch, fault_server, place):
    told = []
    fault_server.on("/", steps.websocket())
    with Client("a", base_url=fault_server.url, listeners=[told.append]) as client:
        with pytest.raises(KeyboardInterrupt), client.websocket("/") as socket:
            monkeypatch.setattr(socket.live._duplex, place, interrupt)
            assert permits(client) == 1
            socket.receive() if place == "receive" else socket.send("hello")
        assert permits(client) == 0
        fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)
        assert fault_server.journal.requests[0].aborted
    assert [event for event in told if isinstance(event, CallCancelled)]


def test_an_interrupt_during_the_goodbye_leaves_nothing(monkeypatch, fault_server):
    fault_server.on("/", steps.websocket())
    with Client("a", base_url=fault_server.url) as client:
        with pytest.raises(KeyboardInterrupt), client.websocket("/") as socket:
            monkeypatch.setattr(socket.live, "_answered", interrupt)
        assert permits(client) == 0
        fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)


def test_an_interrupt_before_the_block_begins_loses_nothing(monkeypatch, fault_server):
    fault_server.on("/", steps.websocket())
    gc.disable()
    try:
        with Client("a", base_url=fault_server.url) as client:
            run = client._backend.run
            monkeypatch.setattr(client._backend, "run", lambda pipeline: interrupt(run(pipeline)))
            with pytest.raises(KeyboardInterrupt), client.websocket("/"):
                pass
            assert permits(client) == 0
            fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)
    finally:
        gc.enable()


def test_an_interrupt_on_the_way_up_through_the_layers_loses_nothing(monkeypatch, fault_server):
    fault_server.on("/", steps.websocket())
    monkeypatch.setattr(StillOpen, "on_close", interrupt)
    with Client("a", base_url=fault_server.url) as client:
        with pytest.raises(KeyboardInterrupt), client.websocket("/"):
            pass
        monkeypatch.undo()
        fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)
        assert permits(client) == 0


def test_sockets_leave_no_garbage_that_waits_for_a_collection():
    world = VirtualWorld()
    world.on("/", steps.websocket())
    client = world.client()

    def one():
        with client.websocket("/") as socket:
            socket.send("x")
            socket.receive()

    one()
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(thing, StillOpen) for thing in gc.get_objects())
        one()
        assert sum(isinstance(thing, StillOpen) for thing in gc.get_objects()) == before
    finally:
        gc.enable()


# Processes and event loops.


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_does_not_use_its_parents_socket(fault_server):
    fault_server.on("/", steps.websocket())
    told = []
    with Client("a", base_url=fault_server.url, listeners=[told.append]) as client:
        with client.websocket("/") as socket:
            child = os.fork()
            if child == 0:
                os._exit(in_child(socket, told))
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            socket.send("still ours")
            assert socket.receive() == "still ours"
        assert permits(client) == 0


def in_child(socket, told):
    """Return 0 when the child can neither send nor receive nor tell; its end of the connection is a copy."""
    before = len(told)
    for use in (lambda: socket.send("no"), socket.receive, socket.ping, socket.close):
        try:
            use()
        except StreamClosed as problem:
            if "belongs to the process" not in str(problem):
                return 3
        else:
            return 1
    socket.live.close()
    return 0 if len(told) == before else 2


def test_another_event_loop_cannot_use_it(fault_server):
    fault_server.on("/", steps.websocket())

    async def use(socket):
        for each in (socket.receive(), socket.send("x"), socket.ping()):
            with pytest.raises(StreamClosed, match="event loop that opened it"):
                await each

    async def main():
        async with AsyncClient("a", base_url=fault_server.url) as client, client.websocket("/") as socket:
            await asyncio.to_thread(lambda: asyncio.run(use(socket)))
            await socket.send("x")
            assert await socket.receive() == "x"

    asyncio.run(main())


def test_closing_the_client_lets_a_socket_go_on(fault_server):
    fault_server.on("/", steps.websocket())
    client = Client("a", base_url=fault_server.url)
    with client.websocket("/") as socket:
        client.close()
        socket.send("still here")
        assert socket.receive() == "still here"
    assert permits(client) == 0


# Servers that die.


def test_a_server_that_dies_is_noticed_by_whoever_receives(wire):
    wire.on("/", steps.websocket())

    async def use(socket):
        wire.down()
        with pytest.raises(CallFailed) as raised:
            await socket.receive()
        return raised.value.failure.kind

    client = wire.client()
    assert client.socket("/", use) is FailureKind.TRUNCATED
    assert permits(client) == 0


def test_a_server_that_dies_does_not_keep_anybody_in_the_block(wire):
    wire.on("/", steps.websocket())

    async def use(socket):
        wire.down()

    client = wire.client()
    client.socket("/", use)
    assert permits(client) == 0


def test_an_exception_in_the_block_is_the_one_that_comes_out(world):
    world.on("/", steps.websocket(lambda _: iter([Pause(60)])))
    client = world.client()

    async def use(socket):
        raise LookupError("mine")

    began = world.now()
    with pytest.raises(LookupError, match="mine"):
        client.socket("/", use)
    assert world.now() - began < 0.9  # nobody waits for a goodbye
    assert permits(client) == 0
