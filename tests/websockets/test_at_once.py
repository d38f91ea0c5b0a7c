"""WebSockets used from several sides at once: threads and tasks that send, receive and leave while others wait."""

import asyncio
import socket as socket_module
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from raw_far_side import far_side, text

from resilient_client import (
    AsyncClient,
    Bulkhead,
    CallFailed,
    Client,
    FailureKind,
    Policy,
    StreamClosed,
    Timeouts,
    deadline,
)
from resilient_client.testing import FaultServer, steps
from resilient_client.testing.script import Close, Raw, Reset
from resilient_client.wire.sockets.tls import TlsStream

TLS = pytest.mark.parametrize("tls", [None, "valid"], ids=["ws", "wss"])

LONG = [letter * 100_000 for letter in "abcd"]


def options(server, tls):
    return {"base_url": server.url, "verify": server.client_context() if tls else True}


# Senders.


@TLS
def test_threads_that_send_long_messages_do_not_mix_them(fault_server_factory, tls):
    server = fault_server_factory(tls=tls)
    server.on("/", steps.websocket())
    with Client("a", **options(server, tls)) as client, client.websocket("/") as socket:
        with ThreadPoolExecutor(5) as pool:
            receiving = pool.submit(lambda: [socket.receive() for _ in range(40)])
            for sending in [pool.submit(lambda text=text: [socket.send(text) for _ in range(10)]) for text in LONG]:
                sending.result(30)
            heard = receiving.result(30)
    assert sorted(heard) == sorted(LONG * 10)


@TLS
def test_tasks_that_send_long_messages_do_not_mix_them(fault_server_factory, tls):
    server = fault_server_factory(tls=tls)
    server.on("/", steps.websocket())

    async def main():
        async with AsyncClient("a", **options(server, tls)) as client, client.websocket("/") as socket:

            async def send(text):
                for _ in range(10):
                    await socket.send(text)

            async def receive():
                return [await socket.receive() for _ in range(40)]

            *_, heard = await asyncio.gather(*map(send, LONG), receive())
            return heard

    assert sorted(asyncio.run(main())) == sorted(LONG * 10)


@TLS
def test_one_sends_more_than_fits_while_another_receives_as_much(fault_server_factory, tls):
    """With both directions full, whoever waits to send must not keep the one who receives from making room."""
    server = fault_server_factory(tls=tls)
    size, count = 1 << 20, 16

    def conversation(talk):
        for _ in range(count):
            yield from talk.ping()
            yield from talk.say(b"s" * size)
        for _ in range(count):
            assert len((yield from talk.hear())) == size
        yield from talk.say("all of it")
        yield from talk.hear()

    server.on("/", steps.websocket(conversation))
    with Client("a", **options(server, tls)) as client, client.websocket("/") as socket:
        sender = threading.Thread(target=lambda: [socket.send(b"c" * size) for _ in range(count)])
        sender.start()
        assert sum(len(socket.receive()) for _ in range(count)) == size * count
        assert socket.receive() == "all of it"
        sender.join(30)
        assert not sender.is_alive()


def test_no_two_threads_are_in_openssl_at_once(fault_server_factory, monkeypatch):
    server = fault_server_factory(tls="valid")
    server.on("/", steps.websocket())
    inside = threading.Lock()
    collisions = []

    def alone(method):
        def checked(*args):
            if not inside.acquire(blocking=False):
                collisions.append(method)
                return method(*args)
            try:
                time.sleep(0.0002)  # long enough to be met by somebody
                return method(*args)
            finally:
                inside.release()

        return checked

    for name in ("encrypted", "decrypted"):
        monkeypatch.setattr(TlsStream, name, alone(getattr(TlsStream, name)))
    with Client("a", **options(server, "valid")) as client, client.websocket("/") as socket:
        with ThreadPoolExecutor(2) as pool:
            pool.submit(lambda: [socket.send("x" * 1000) for _ in range(100)])
            pool.submit(lambda: [socket.receive() for _ in range(100)]).result(30)
    assert not collisions


def test_a_pong_does_not_wait_for_a_message_that_does_not_fit():
    """A thread is stuck sending; the one that receives still takes what comes."""
    go_on = threading.Event()

    def behave(sock):
        sock.sendall(b"\x89\x00" + text("hello"))
        go_on.wait(30)
        sock.sendall(text("reading"))
        while sock.recv(1 << 16):
            pass

    with far_side(behave) as url, Client("a") as client, client.websocket(url) as socket:
        sender = threading.Thread(target=lambda: socket.send(b"x" * (1 << 24)))
        sender.start()
        assert socket.receive(timeout=20) == "hello"
        assert sender.is_alive()
        go_on.set()
        assert socket.receive(timeout=20) == "reading"
        sender.join(30)
        assert not sender.is_alive()
        socket.live.close()  # the far side says no goodbye


def test_a_server_that_takes_nothing_is_a_write_timeout():
    policy = Policy(timeouts=Timeouts(write=0.2))
    with far_side(lambda _: None) as url, Client("a", policy=policy) as client:
        with client.websocket(url) as socket:
            with pytest.raises(CallFailed) as raised:
                socket.send(b"x" * (1 << 24))
            with pytest.raises(CallFailed):
                socket.receive()
        assert raised.value.failure.kind is FailureKind.WRITE_TIMEOUT
        assert client.state().permits_in_use == 0


def test_tasks_whose_server_takes_nothing_have_one_write_timeout():
    async def main(url):
        async with AsyncClient("a", policy=Policy(timeouts=Timeouts(write=0.2))) as client:
            async with client.websocket(url) as socket:
                sending = [asyncio.ensure_future(socket.send(b"x" * (1 << 24))) for _ in range(5)]
                ended = await asyncio.gather(*sending, return_exceptions=True)
            assert {str(each.failure.kind) for each in ended} == {"write_timeout"}
            assert client.state().permits_in_use == 0

    with far_side(lambda _: None) as url:
        asyncio.run(main(url))


def test_a_sender_whose_turn_does_not_come_in_time_sends_nothing(monkeypatch):
    async def main(url):
        async with AsyncClient("a") as client, client.websocket(url) as socket:
            begun = []
            frames_of = socket.live._frames.message
            monkeypatch.setattr(socket.live._frames, "message", lambda text: begun.append(len(text)) or frames_of(text))
            stuck = asyncio.ensure_future(socket.send(b"x" * (1 << 24)))
            await asyncio.sleep(0)
            with pytest.raises(CallFailed) as raised, deadline(0.1):
                await socket.send("never")
            assert raised.value.failure.kind is FailureKind.DEADLINE
            await asyncio.wait([stuck])
            assert isinstance(stuck.exception(), (CallFailed, StreamClosed))
            return begun

    with far_side(lambda _: None) as url:
        assert asyncio.run(main(url)) == [1 << 24]


def test_a_server_that_hangs_up_on_a_sender_is_told_with_its_reason(wire):
    """Whoever only sends notices a broken connection; why it broke is still to be received."""

    def conversation(talk):
        yield from talk.hear()
        yield from talk.say("first, something else")
        yield Raw(b"\x88\x0b\x03\xf0bad token")  # 1008, and nobody waits for the answer

    wire.on("/", steps.websocket(lambda talk: _then_closed(conversation(talk))))

    async def use(socket):
        kinds = []
        with pytest.raises(CallFailed) as raised:
            for _ in range(10_000):
                await socket.send("x" * 1000)
        kinds.append(str(raised.value.failure.kind))
        assert await socket.receive() == "first, something else"
        with pytest.raises(CallFailed) as raised:
            await socket.receive()
        return [*kinds, str(raised.value.failure.kind)], socket.close_reason

    client = wire.client()
    kinds, reason = client.socket("/", use)
    assert kinds[0] == "truncated"
    assert kinds[1] in {"client_error", "truncated"}  # a reset may have overtaken it
    assert reason in {"bad token", ""}
    assert client.state().permits_in_use == 0


def _then_closed(moves):
    yield from moves
    yield Close()


def test_a_sender_that_failed_leaves_a_failure(wire):
    wire.on("/", steps.websocket(lambda _: iter([Reset()])))

    async def use(socket):
        with pytest.raises(CallFailed):
            for _ in range(10_000):
                await socket.send("x" * 1000)

    client = wire.client()
    client.socket("/", use)
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 1)


# Leaving.


@TLS
def test_a_thread_that_leaves_ends_the_one_that_receives(fault_server_factory, tls):
    server = fault_server_factory(tls=tls)
    server.on("/", steps.websocket())
    with Client("a", **options(server, tls)) as client, ThreadPoolExecutor(1) as pool:
        with client.websocket("/") as socket:
            receiving = pool.submit(lambda: list(socket))
            socket.send("one")
            time.sleep(0.05)  # until it sleeps in the kernel
        assert receiving.result(10) in ([], ["one"])
        assert client.state().permits_in_use == 0
    assert not server.journal.requests[0].aborted


def test_a_server_that_hangs_up_at_our_goodbye_has_not_failed():
    """It closes the connection in place of saying so; whoever receives is the one who sees that."""

    def behave(sock):
        sock.recv(100)
        sock.shutdown(socket_module.SHUT_RDWR)

    with far_side(behave) as url, Client("a") as client, ThreadPoolExecutor(1) as pool:
        with client.websocket(url) as socket:
            receiving = pool.submit(lambda: list(socket))
            time.sleep(0.05)  # until it sleeps in the kernel
        assert receiving.result(10) == []
        (circuit,) = client.state().circuits.values()
        assert (circuit.calls, circuit.failures) == (1, 0)


def test_a_thread_that_leaves_with_an_exception_wakes_the_one_that_receives(fault_server):
    fault_server.on("/", steps.websocket())
    with Client("a", base_url=fault_server.url) as client, ThreadPoolExecutor(1) as pool:
        with pytest.raises(LookupError), client.websocket("/", ping_every=None) as socket:
            receiving = pool.submit(socket.receive)
            time.sleep(0.05)  # until it sleeps in the kernel
            raise LookupError
        with pytest.raises(StreamClosed, match="let go of"):
            receiving.result(10)
        fault_server.journal.wait_until(lambda journal: journal.in_progress == 0)
        assert fault_server.journal.requests[0].aborted


def test_a_thread_that_leaves_wakes_one_that_is_stuck_sending():
    with far_side(lambda _: None) as url, Client("a") as client, ThreadPoolExecutor(1) as pool:
        with pytest.raises(LookupError), client.websocket(url) as socket:
            sending = pool.submit(lambda: [socket.send(b"x" * (1 << 20)) for _ in range(100)])
            while not socket.live._duplex._stream._kept:
                pass
            raise LookupError
        with pytest.raises((StreamClosed, CallFailed)):
            sending.result(10)


def test_a_task_that_leaves_ends_the_one_that_receives(fault_server):
    fault_server.on("/", steps.websocket())

    async def main():
        async with AsyncClient("a", base_url=fault_server.url) as client:
            async with client.websocket("/") as socket:

                async def collect():
                    return [message async for message in socket]

                receiving = asyncio.ensure_future(collect())
                await asyncio.sleep(0)
            assert await asyncio.wait_for(receiving, 10) == []
            assert client.state().permits_in_use == 0

    asyncio.run(main())


# Many.


def test_two_hundred_sockets_of_one_client():
    with FaultServer() as server:
        server.on("/", steps.websocket())
        policy = Policy(bulkhead=Bulkhead(max_concurrent=200, max_waiting=0))

        async def main():
            everybody = asyncio.Barrier(200)
            async with AsyncClient("a", base_url=server.url, policy=policy) as client:

                async def one(number):
                    async with client.websocket("/") as socket:
                        await everybody.wait()
                        assert client.state().permits_in_use == 200
                        await everybody.wait()
                        await socket.send(str(number))
                        return await socket.receive()

                heard = await asyncio.gather(*(one(number) for number in range(200)))
                assert heard == [str(number) for number in range(200)]
                async with asyncio.timeout(20):
                    while client.state().permits_in_use:
                        await asyncio.sleep(0)

        asyncio.run(main())
        assert server.journal.most_at_once == 200


def test_a_permit_is_held_while_the_socket_is_open(world):
    world.on("/", steps.websocket())
    client = world.client(policy=Policy(bulkhead=Bulkhead(max_concurrent=1, max_waiting=0)))

    async def use(socket):
        held = client.state().permits_in_use
        await socket.send("x")
        return held, await socket.receive()

    assert client.socket("/", use) == (1, "x")
    assert client.state().permits_in_use == 0
    assert client.get("/text").ok
