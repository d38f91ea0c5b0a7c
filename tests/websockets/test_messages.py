"""WebSockets that are open: messages both ways, how they end, and what is not accepted."""

from dataclasses import dataclass

import pytest

from resilient_client import CallFailed, FailureKind, Policy, StreamClosed, Timeouts
from resilient_client.testing import steps
from resilient_client.testing.script import Close, Hear, Pause, Raw, Reset


async def everything(socket):
    return [message async for message in socket]


async def failing(socket):
    with pytest.raises(CallFailed) as raised:
        await everything(socket)
    return raised.value.failure


def saying(*messages, then=None, **options):
    def conversation(talk):
        for message in messages:
            yield from talk.say(message, **options)
        if then is not None:
            yield from then(talk)

    return steps.websocket(conversation)


def raw(*frames):
    """A conversation of bytes that wsproto's server half would not send."""

    def conversation(_):
        for frame in frames:
            yield Raw(frame)
        yield Pause(0.01)
        yield Close()

    return steps.websocket(conversation)


# Messages.


def test_messages_go_both_ways_as_text_and_as_bytes(world):
    world.on("/", steps.websocket())

    async def use(socket):
        assert (socket.status, socket.subprotocol, socket.close_code, bool(socket)) == (101, None, None, True)
        for message in ("grüße", b"\x00\xff", "", b"", "x" * 70_000, b"y" * 200_000, "ü" * 40_000):
            await socket.send(message)
            assert await socket.receive() == message
        await socket.send(memoryview(b"a view"))
        return await socket.receive()

    assert world.client().socket("/", use) == b"a view"
    (seen,) = world.journal.requests
    assert (seen.status, seen.aborted) == (101, False)


def test_a_thousand_messages_come_back_in_order(world):
    world.on("/", steps.websocket())

    async def use(socket):
        for number in range(1000):
            await socket.send(str(number))
        return [await socket.receive() for _ in range(1000)]

    assert world.client().socket("/", use) == [str(number) for number in range(1000)]


def test_a_message_comes_as_one_however_it_was_cut(world):
    world.on("/", saying("größer " * 5000, b"bytes" * 9000, fragments=7))
    assert world.client().socket("/", everything) == ["größer " * 5000, b"bytes" * 9000]


def test_pings_between_the_fragments_of_a_message_are_answered(world):
    talks = []

    def conversation(talk):
        talks.append(talk)
        moves = list(talk.say("abc", fragments=3))
        yield moves[0]
        yield from talk.ping()
        yield from moves[1:]
        yield from talk.hear()

    world.on("/", steps.websocket(conversation))

    async def use(socket):
        assert await socket.receive() == "abc"
        await socket.send("done")
        return await everything(socket)

    assert world.client().socket("/", use) == []
    assert talks[0].pongs == 1


@dataclass
class Order:
    item: str
    count: int


def test_json_goes_both_ways_and_into_types(world):
    world.on("/", steps.websocket())

    async def use(socket):
        await socket.send_json(Order("tea", 2))
        assert await socket.receive_json() == {"item": "tea", "count": 2}
        await socket.send_json(Order("tea", 2))
        assert await socket.receive_json(decode=Order) == Order("tea", 2)
        await socket.send(b'{"item": 1, "count": 2}')
        with pytest.raises(CallFailed) as raised:
            await socket.receive_json(decode=Order)
        await socket.send("still there")
        return raised.value.failure.kind, await socket.receive()

    assert world.client().socket("/", use) == (FailureKind.DECODE, "still there")


def test_a_message_that_came_with_the_answer_is_not_lost(wire):
    wire.on("/", lambda request: list(_glued(request)))
    assert wire.client().socket("/", everything) == ["early"]


def _glued(request):
    head, *rest = saying("early")(request)
    return [head, *rest]


# How they end.


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_server_that_closes_in_order_ends_the_iteration(world, code):
    world.on("/", saying("last", then=lambda talk: talk.close(code, "enough")))
    client = world.client()

    async def use(socket):
        assert await everything(socket) == ["last"]
        assert await everything(socket) == []
        with pytest.raises(StreamClosed, match=f"closed with {code}"):
            await socket.receive()
        with pytest.raises(StreamClosed, match=f"by the server, with {code}"):
            await socket.send("too late")
        return socket.close_code, socket.close_reason

    assert client.socket("/", use) == (code, "enough")
    world.journal.wait_until(lambda journal: journal.in_progress == 0)
    assert not world.journal.requests[0].aborted  # the client agreed before it left
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 0)


def test_a_close_without_a_code_is_one_in_order(world):
    world.on("/", raw(b"\x88\x00"))  # a Close of nothing

    async def use(socket):
        return await everything(socket), socket.close_code

    assert world.client().socket("/", use) == ([], 1005)


@pytest.mark.parametrize(
    ("code", "kind", "failures"),
    [
        (1002, "client_error", 0),
        (1008, "client_error", 0),
        (1011, "server_error", 1),
        (1012, "server_error", 1),
        (1013, "server_error", 1),
        (4401, "unexpected", 0),
    ],
)
def test_a_server_that_closes_with_another_code_is_a_failure_that_says_so(world, code, kind, failures):
    world.on("/", saying("last", then=lambda talk: talk.close(code, "bad token")))
    client = world.client()

    async def use(socket):
        messages = [await socket.receive()]
        failure = await failing(socket)
        with pytest.raises(CallFailed):
            await socket.send("more")
        return messages, failure, socket.close_code

    messages, failure, seen = client.socket("/", use)
    assert (messages, str(failure.kind), seen) == (["last"], kind, code)
    assert f"{code} (bad token)" in failure.message
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, failures)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["fin", "reset"])
def test_a_connection_that_ends_without_a_close_is_truncated(world, end):
    def conversation(talk):
        yield from talk.say("last")
        yield Pause(0.01)
        yield end

    world.on("/", steps.websocket(conversation))
    client = world.client()

    async def use(socket):
        assert await socket.receive() == "last"
        first, again = await failing(socket), await failing(socket)
        assert (again.kind, again.message) == (first.kind, first.message)
        return first

    failure = client.socket("/", use)
    assert (failure.kind, failure.status, failure.sent) == (FailureKind.TRUNCATED, 101, True)
    assert [str(attempt.kind) for attempt in failure.attempts] == ["truncated"]
    world.journal.assert_requests(1)
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 1)
    assert client.state().permits_in_use == 0


def test_a_message_that_is_cut_off_is_not_given(world):
    world.on("/", raw(b"\x01\x03abc", b"\x80\x05d"))

    async def use(socket):
        return await failing(socket)

    assert world.client(policy=Policy(timeouts=Timeouts())).socket("/", use).kind is FailureKind.TRUNCATED


def test_leaving_the_block_closes_in_order(world):
    talks = []

    def conversation(talk):
        talks.append(talk)
        yield from talk.say("one")
        yield from talk.say("two")
        yield from talk.hear()

    world.on("/", steps.websocket(conversation))

    async def use(socket):
        return await socket.receive()

    assert world.client().socket("/", use) == "one"
    assert talks[0].closed_with == 1000
    assert not world.journal.requests[0].aborted


def test_closing_by_hand_says_why(world):
    talks = []

    def conversation(talk):
        talks.append(talk)
        yield from talk.hear()

    world.on("/", steps.websocket(conversation))

    async def use(socket):
        await socket.close(4000, "moved")
        await socket.close()
        with pytest.raises(StreamClosed):
            await socket.send("more")
        return await everything(socket)

    assert world.client().socket("/", use) == []
    assert talks[0].closed_with == 4000


def test_a_server_that_does_not_agree_is_waited_for_a_second_at_most(world):
    world.on("/", steps.websocket(lambda _: iter([Pause(60)])))
    client = world.client()

    async def use(socket):
        return world.now()

    began = client.socket("/", use)
    assert 0.9 < world.now() - began < 10
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 0)


def test_after_its_block_a_socket_is_closed(world):
    world.on("/", steps.websocket())
    kept = []

    async def use(socket):
        kept.append(socket)

    client = world.client()
    client.socket("/", use)

    async def later():
        with pytest.raises(StreamClosed):
            await kept[0].send("more")
        with pytest.raises(StreamClosed):
            await kept[0].receive()
        assert await everything(kept[0]) == []

    if world.name.endswith("async"):
        world.finish(later())
    else:
        from resilient_client.backends import run_sync

        run_sync(later())


# What is not accepted.


@pytest.mark.parametrize(
    ("frame", "kind", "code"),
    [
        (b"\x83\x00", "protocol", 1002),  # an opcode that there is not
        (b"\xc1\x00", "protocol", 1002),  # a reserved bit, of an extension nobody offered
        (b"\x81\x80aaaa", "protocol", 1002),  # masked, which servers must not
        (b"\x80\x00", "protocol", 1002),  # a continuation of nothing
        (b"\x09\x00", "protocol", 1002),  # a ping in fragments
        (b"\x89\x7e\x00\x7e" + b"p" * 126, "protocol", 1002),  # a ping that is too long
        (b"\x88\x01\x03", "protocol", 1002),  # half a close code
        (b"\x88\x02\x03\xed", "protocol", 1002),  # 1005, which nobody may send
        (b"\x88\x02\x00\x01", "protocol", 1002),  # a code below all that there are
        (b"\x88\x03\x03\xe8\xff", "protocol", 1007),  # a reason that is no text
        (b"\x81\x02\xc3\x28", "protocol", 1007),  # text that is no UTF-8
        (b"\x01\x01\xc3\x80\x01\x28", "protocol", 1007),  # nor over two frames
        (b"\x81\x01\xc3", "protocol", 1007),  # nor at its end
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01x", "protocol", 1002),  # a length that is longer than it need be
        (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "protocol", 1002),  # a length that cannot be
    ],
)
def test_a_bad_frame_is_a_protocol_failure_and_is_told_to_the_server(world, frame, kind, code):
    answers = []

    def conversation(_):
        yield Raw(frame)
        hear = Hear(5)
        yield hear
        answers.append(hear.data)
        yield Close()

    world.on("/", steps.websocket(conversation))
    client = world.client()
    failure = client.socket("/", failing)
    assert str(failure.kind) == kind
    world.journal.wait_until(lambda journal: journal.in_progress == 0)
    (answer,) = answers
    assert answer[0] == 0x88
    assert int.from_bytes(bytes(a ^ b for a, b in zip(answer[6:8], answer[2:4], strict=True)), "big") == code
    assert client.state().permits_in_use == 0


def test_a_message_over_the_cap_is_refused_before_it_is_whole(world):
    def conversation(talk):
        yield Raw(b"\x82\x7f" + (1 << 30).to_bytes(8, "big"))  # a gibibyte
        for _ in range(1 << 14):
            yield Raw(bytes(1 << 16))
            yield Pause(0.0001)

    world.on("/", steps.websocket(conversation))
    client = world.client()
    failure = client.socket("/", failing, max_message=1_000_000)
    assert (failure.kind, "1000000 bytes" in failure.message) == (FailureKind.TOO_LARGE, True)
    assert client.state().permits_in_use == 0


def test_the_cap_counts_bytes_and_all_fragments_together(world):
    world.on("/", saying("ü" * 50, then=lambda talk: talk.say("ü" * 51, fragments=10)))

    async def use(socket):
        return await socket.receive(), (await failing(socket)).kind

    assert world.client().socket("/", use, max_message=100) == ("ü" * 50, FailureKind.TOO_LARGE)


def test_the_cap_of_the_policy_holds_when_there_is_no_other(world):
    world.on("/", saying("x" * 1001))
    assert world.client(policy=Policy(max_body=1000)).socket("/", failing).kind is FailureKind.TOO_LARGE


@pytest.mark.parametrize(
    ("use", "error", "says"),
    [
        (lambda socket: socket.send(7), TypeError, "send_json"),
        (lambda socket: socket.send(None), TypeError, "str or bytes"),
        (lambda socket: socket.send("\ud800"), ValueError, "surrogates"),
        (lambda socket: socket.send_json(object()), TypeError, "json="),
        (lambda socket: socket.receive(-1), ValueError, "at least 0"),
        (lambda socket: socket.receive("1"), ValueError, "at least 0"),
        (lambda socket: socket.receive(float("nan")), ValueError, "at least 0"),
        (lambda socket: socket.close(1005), ValueError, "1000"),
        (lambda socket: socket.close(999), ValueError, "3000 to 4999"),
        (lambda socket: socket.close(True), ValueError, "3000 to 4999"),
        (lambda socket: socket.close(1000, "ü" * 62), ValueError, "123 bytes"),
    ],
)
def test_wrong_arguments_are_told_at_once_and_the_socket_goes_on(virtual, use, error, says):
    virtual.on("/", steps.websocket())

    async def talk(socket):
        with pytest.raises(error, match=says):
            await use(socket)
        await socket.send("fine")
        return await socket.receive()

    assert virtual.client().socket("/", talk) == "fine"
