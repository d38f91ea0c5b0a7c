"""Time on an open WebSocket, which is virtual here: pings, silence, deadlines, and who waits for whom."""

from math import inf

import pytest

from resilient_client import CallFailed, FailureKind, Policy, StreamClosed, Timeouts, deadline
from resilient_client.testing import VirtualWorld, steps
from resilient_client.testing.script import Hear, Pause
from resilient_client.wire.websockets.silence import Silence


def serving(world, conversation):
    """Script `conversation` and return the list that its talks will be in."""
    talks = []

    def kept(talk):
        talks.append(talk)
        yield from conversation(talk)

    world.on("/", steps.websocket(kept))
    return talks


def later(seconds, message="at last"):
    def conversation(talk):
        yield from talk.wait(seconds)
        yield from talk.say(message)
        yield from talk.hear()

    return conversation


def deaf(_):
    yield Pause(inf)


def mute(_):
    """Take everything and say nothing, not even a pong."""
    while True:
        yield Hear(inf)


async def received(socket):
    return await socket.receive()


async def failing(socket):
    with pytest.raises(CallFailed) as raised:
        await socket.receive()
    return raised.value.failure


# Pings.


def test_a_silent_server_is_asked_for_a_sign_of_life(virtual):
    talks = serving(virtual, later(90))
    assert virtual.client().socket("/", received) == "at last"
    assert talks[0].pings == 4  # at 20, 40, 60 and 80 s
    assert virtual.now() == pytest.approx(90, abs=0.1)


def test_a_server_that_speaks_is_not_asked(virtual):
    def conversation(talk):
        for _ in range(10):
            yield from talk.wait(15)
            yield from talk.say("tick")
        yield from talk.hear()

    talks = serving(virtual, conversation)

    async def use(socket):
        return [await socket.receive() for _ in range(10)]

    assert len(virtual.client().socket("/", use)) == 10
    assert talks[0].pings == 0


@pytest.mark.parametrize("conversation", [deaf, mute])
def test_a_server_that_shows_no_sign_of_life_has_failed(virtual, conversation):
    serving(virtual, conversation)
    client = virtual.client()
    failure = client.socket("/", failing, ping_every=5, pong_within=3)
    assert (failure.kind, failure.stopped) == (FailureKind.READ_TIMEOUT, "not_retryable")
    assert "3 s after a ping" in failure.message
    assert failure.elapsed == pytest.approx(8, abs=0.1)
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 1)
    assert client.state().permits_in_use == 0


def test_any_sign_of_life_will_do(virtual):
    def conversation(talk):
        yield Pause(7)  # too busy for the ping, and then says something else
        yield from talk.say("here")
        yield from talk.hear()

    serving(virtual, conversation)
    assert virtual.client().socket("/", received, ping_every=5, pong_within=3) == "here"


def test_without_pings_a_silence_may_last(virtual):
    talks = serving(virtual, later(100_000))
    assert virtual.client().socket("/", received, ping_every=None) == "at last"
    assert talks[0].pings == 0


def test_silence_counts_over_many_short_waits(virtual):
    talks = serving(virtual, later(50))

    async def use(socket):
        for _ in range(100):
            try:
                return await socket.receive(timeout=1)
            except TimeoutError:
                pass
        return None

    assert virtual.client().socket("/", use) == "at last"
    assert talks[0].pings == 2


def test_the_time_that_nobody_waits_is_no_silence(virtual):
    talks = serving(virtual, later(0))
    client = virtual.client()

    async def use(socket):
        assert await socket.receive() == "at last"
        if virtual.name == "virtual-async":
            await virtual.inner.sleep(1000)
        else:
            virtual.pass_time(1000)
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=10)

    client.socket("/", use)
    assert talks[0].pings == 0


def test_a_pong_that_came_while_nobody_waited_counts():
    """The ping was sent, its answer is in the socket, and a minute later somebody asks again."""
    world = VirtualWorld()
    talks = serving(world, later(100))

    async def main():
        async with world.async_client().websocket("/", ping_every=5, pong_within=3) as socket:
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=5.5)
            await world.sleep(60)
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=2)

    world.run(main())
    assert talks[0].pings == 1


def test_a_ping_by_hand_is_answered(world):
    talks = serving(world, lambda talk: talk.hear())

    async def use(socket):
        await socket.ping()
        await socket.send("done")
        return [message async for message in socket]

    assert world.client().socket("/", use) == []
    assert talks[0].pings == 1


def test_the_kernel_of_silence():
    silence = Silence(20, 10, now=0)
    silence.resume(5)
    assert silence.due == 25
    silence.ask(25)
    assert (silence.due, silence.asked) == (35, True)
    silence.pause(30)
    silence.resume(100)
    assert silence.due == 105
    silence.broken(104)
    assert (silence.due, silence.asked) == (124, False)
    assert Silence(None, 10, now=0).due == inf


# Waiting for a message.


def test_a_wait_that_ends_leaves_the_socket_usable(world):
    world.on("/", steps.websocket())

    async def use(socket):
        for _ in range(2):
            with pytest.raises(TimeoutError, match="no message came in time"):
                await socket.receive(timeout=0.02)
        await socket.send("now")
        return await socket.receive(timeout=30)

    assert world.client().socket("/", use) == "now"


def test_a_wait_of_nothing_takes_what_is_here(world):
    def conversation(talk):
        yield from talk.say("first")
        yield from talk.say("second")
        yield from talk.hear()

    serving(world, conversation)

    async def use(socket):
        first = await socket.receive()  # the second came with it
        second = await socket.receive(timeout=0)
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0)
        return first, second

    assert world.client().socket("/", use) == ("first", "second")


def test_half_a_message_is_kept_when_the_wait_ends(virtual):
    def conversation(talk):
        first, *rest = talk.say("a long message", fragments=3)
        yield first
        yield Pause(10)
        yield from rest
        yield from talk.hear()

    serving(virtual, conversation)

    async def use(socket):
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=5)
        return await socket.receive()

    assert virtual.client().socket("/", use) == "a long message"


# Deadlines.


def test_the_time_for_the_call_is_the_time_for_the_handshake(virtual):
    serving(virtual, later(3600))
    client = virtual.client(policy=Policy(timeouts=Timeouts(attempt=1, total=2, read=1, write=1)))
    assert client.socket("/", received) == "at last"


def test_a_deadline_that_somebody_set_bounds_the_socket_too(virtual):
    serving(virtual, later(3600))
    client = virtual.client()

    async def main():
        with deadline(30):
            async with client.client.websocket("/") as socket:
                return await failing(socket)

    if virtual.name == "virtual-async":
        failure = virtual.finish(main())
        assert (failure.kind, failure.stopped) == (FailureKind.DEADLINE, "deadline")
        assert failure.elapsed == pytest.approx(30, abs=0.1)
    (circuit,) = client.state().circuits.values() or [None] if virtual.name == "virtual-async" else [None]
    assert circuit is None or (circuit.calls, circuit.failures) == (0, 0)


def test_a_deadline_inside_the_block_bounds_what_is_inside(world):
    serving(world, later(60))

    async def use(socket):
        with deadline(0.05):
            return await failing(socket)

    client = world.client()
    failure = client.socket("/", use)
    assert failure.kind is FailureKind.DEADLINE
    assert client.state().permits_in_use == 0


def test_a_deadline_bounds_the_goodbye(virtual):
    serving(virtual, deaf)

    async def use(socket):
        began = virtual.now()
        with deadline(0.25):
            await socket.close()
        return virtual.now() - began

    if virtual.name == "virtual-async":
        assert virtual.client().socket("/", use) == pytest.approx(0.25)


# Flows beside each other, in virtual time.


def test_one_flow_receives_while_another_sends():
    world = VirtualWorld()
    world.on("/", steps.websocket())
    client = world.async_client()

    async def main():
        async with client.websocket("/") as socket:

            async def sending():
                for number in range(20):
                    await world.sleep(1)
                    await socket.send(str(number))

            async def receiving():
                return [await socket.receive() for _ in range(20)]

            _, heard = await world.gather(sending(), receiving())
            return heard

    assert world.run(main()) == [str(number) for number in range(20)]


def test_a_flow_that_leaves_wakes_the_one_that_receives():
    world = VirtualWorld()
    world.on("/", steps.websocket())
    client = world.async_client()

    async def main():
        async with client.websocket("/", ping_every=None) as socket:
            flow = world.spawn(collect(socket))
            await world.sleep(1)
        assert world.now == 1  # the one who receives saw the server agree, and told the one who leaves
        return await flow

    async def collect(socket):
        return [message async for message in socket]

    assert world.run(main()) == []


def test_a_flow_that_leaves_with_an_exception_tells_the_one_that_receives():
    world = VirtualWorld()
    world.on("/", steps.websocket())
    client = world.async_client()

    async def main():
        with pytest.raises(LookupError):
            async with client.websocket("/", ping_every=None) as socket:
                flow = world.spawn(socket.receive())
                await world.sleep(1)
                raise LookupError
        with pytest.raises(StreamClosed, match="let go of"):
            await flow

    world.run(main())
    assert client.state().permits_in_use == 0


def test_two_that_receive_are_told_at_once():
    world = VirtualWorld()
    world.on("/", steps.websocket())

    async def main():
        async with world.async_client().websocket("/") as socket:
            flow = world.spawn(socket.receive())
            await world.sleep(1)
            with pytest.raises(RuntimeError, match="let one receive for all"):
                await socket.receive()
            await socket.send("hello")
            assert await flow == "hello"

    world.run(main())
