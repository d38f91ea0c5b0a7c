"""Bodies that are sent piece by piece, and servers that have seen enough before the last one."""

import asyncio
import io
import threading
import time

import pytest

from resilient_client import AsyncClient, Client, Policy, Retry, Timeouts
from resilient_client.testing import FaultServer, steps
from resilient_client.testing.script import Close, Data, End, Head, Pause, Raw, Reset

PIECE = b"x" * 10_000
MANY = 3_000
"""Pieces of an upload that is larger than what any kernel takes without a reader."""

PATIENT = Policy(timeouts=Timeouts(total=60, attempt=60, read=30, write=30), retry=None)


class Source:
    """Pieces of a body, counted as they are taken."""

    def __init__(self, count=MANY):
        self.count = count
        self.taken = 0

    def __iter__(self):
        for _ in range(self.count):
            self.taken += 1
            yield PIECE


@pytest.mark.parametrize("code", [307, 401, 413, 503])
def test_a_server_that_has_seen_enough_is_heard_at_once(world, code):
    world.on("POST /", steps.early(steps.status(code, b"enough"), after=50_000))
    source = Source()
    result = world.client(policy=PATIENT).post("/", content=source, expect={200})
    assert (result.status, result.content) == (code, b"enough")
    assert result.sent
    assert source.taken < MANY / 2


def test_a_connection_with_half_a_request_on_it_is_not_used_again(world):
    world.on("POST /", steps.early(steps.status(413), after=50_000))
    world.on("GET /", steps.ok())
    client = world.client(policy=PATIENT)
    assert client.post("/", content=Source()).status == 413
    assert client.get("/").ok
    world.journal.assert_connections(2)


def test_an_empty_piece_does_not_end_an_upload(world):
    world.on("PUT /", steps.echo())
    answer = world.client().request("PUT", "/", content=iter([b"before", b"", b" and after"]))
    assert answer.json()["body"] == "before and after"


def test_an_early_success_does_not_stop_the_upload(world):
    world.on("POST /", steps.early(steps.status(202, b"go on"), after=10_000))
    world.on("GET /", steps.ok())
    client = world.client(policy=PATIENT)
    source = Source(50)
    result = client.post("/", content=source)
    assert (result.status, result.content, source.taken) == (202, b"go on", 50)
    assert client.get("/").attempts[0].reused


def test_an_early_informational_answer_does_not_stop_the_upload(world):
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"

    def hinted(request):
        yield Raw(hints)
        yield from steps.status(413, b"no")(request)

    world.on("POST /", steps.early(hinted, after=10_000))
    source = Source()
    result = world.client(policy=PATIENT).post("/", content=source)
    assert (result.status, result.content) == (413, b"no")
    assert source.taken < MANY / 2


def test_a_server_that_hangs_up_in_the_middle_of_an_upload_is_a_reset(world):
    world.on("POST /", steps.early(lambda _: [Pause(0), Close()], after=50_000))
    result = world.client(policy=PATIENT).post("/", content=Source())
    assert (result.kind, result.sent) == ("reset", True)


def test_an_early_refusal_is_repeated_when_the_body_can_be(world):
    world.on("PUT /", steps.early(steps.status(503), after=50_000), then=steps.ok())
    policy = Policy(timeouts=PATIENT.timeouts, retry=Retry(wait_initial=0.001, wait_max=0.002))
    again = world.client(policy=policy).request("PUT", "/", content=[PIECE] * 100)
    assert [attempt.status for attempt in again.attempts] == [503, 200]
    world.on("PUT /", steps.early(steps.status(503), after=50_000), then=steps.ok())
    once = world.client(policy=policy).request("PUT", "/", content=iter(Source()))
    assert (once.status, once.stopped) == (503, "body_not_replayable")


def test_a_file_that_was_refused_early_is_sent_again_from_where_it_was(world):
    world.on("PUT /", steps.early(steps.status(503), after=10), then=steps.echo())
    policy = Policy(timeouts=PATIENT.timeouts, retry=Retry(wait_initial=0.001, wait_max=0.002))
    handle = io.BytesIO(b"skipped" + b"y" * 300_000)
    handle.seek(7)
    result = world.client(policy=policy).request("PUT", "/", content=handle)
    assert [attempt.status for attempt in result.attempts] == [503, 200]
    assert result.json()["body"] == "y" * 300_000


def test_a_refusal_is_read_to_its_end_however_slowly_it_comes(world):
    def slow(_):
        yield Head(413, (("Content-Length", "10"),))
        for _piece in range(5):
            yield Pause(0.02)
            yield Data(b"no")
        yield End()

    world.on("POST /", steps.early(slow, after=10_000))
    result = world.client(policy=PATIENT).post("/", content=Source())
    assert (result.status, result.content) == (413, b"nonononono")


def test_a_body_in_one_piece_is_cut_short_as_well(wire):
    wire.on("POST /", steps.early(steps.status(413), after=100_000))
    started = time.monotonic()
    result = wire.client(policy=PATIENT).post("/", content=b"x" * 60_000_000)
    assert result.status == 413
    assert time.monotonic() - started < 20  # write= is 30 s: nobody waited for it


def test_a_server_that_takes_nothing_while_it_thinks_is_heard_when_it_speaks(wire):
    wire.on("POST /", steps.early(steps.status(429, b"later", after=0.3), after=100_000))
    result = wire.client(policy=PATIENT).post("/", content=b"x" * 60_000_000)
    assert (result.status, result.content) == (429, b"later")


def test_a_reader_that_is_slow_is_waited_for_without_filling_the_memory():
    seen = threading.Event()
    with FaultServer() as server:
        server.on("POST /", steps.early(lambda request: seen.wait(20) and steps.status(200)(request), after=1))
        source = Source(5_000)

        async def scene():
            async with AsyncClient("upload", base_url=server.url, policy=PATIENT) as client:
                upload = asyncio.ensure_future(client.post("/", content=source))
                before = 0
                while not before or source.taken > before:  # until no more is taken
                    before = source.taken
                    await asyncio.sleep(0.05)
                seen.set()
                return before, await upload

        taken, result = asyncio.run(scene())
    assert result.status == 200
    assert taken < source.count / 2  # 50 MB: no kernel takes that much for a reader who does not read
    assert source.taken == source.count


class Endless:
    """A body whose second piece never comes."""

    def __init__(self):
        self.closed = False

    async def __aiter__(self):
        try:
            yield PIECE
            await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_refusal_is_heard_while_the_next_piece_is_waited_for(http2):
    with FaultServer(http2=http2, tls="valid") as server:
        server.on("POST /", steps.early(steps.status(401, b"who are you?"), after=1))

        async def scene():
            options = {"verify": server.client_context(), "http2": http2, "policy": PATIENT}
            async with AsyncClient("upload", base_url=server.url, **options) as client:
                body = Endless()
                result = await asyncio.wait_for(client.post("/", content=body), 30)
                return result, body.closed

        result, closed = asyncio.run(scene())
    assert (result.status, result.content) == (401, b"who are you?")
    assert closed


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_a_refusal_is_heard_between_two_pieces_and_hurts_no_other_call(http2):
    async def pieces():
        for _ in range(3):
            yield b"x" * 1_000_000  # more than an HTTP/2 server takes unasked

    with FaultServer(http2=http2, tls="valid") as server:
        server.on("POST /", steps.early(steps.status(413)))
        server.on("/other", steps.ok(after=0.3))

        async def scene():
            options = {"verify": server.client_context(), "http2": http2, "policy": PATIENT}
            async with AsyncClient("upload", base_url=server.url, **options) as client:
                other = asyncio.ensure_future(client.get("/other"))
                await asyncio.sleep(0.1)
                return await client.post("/", content=pieces()), await other

        refused, other = asyncio.run(scene())
    assert refused.status == 413
    assert (other.ok, len(other.attempts)) == (True, 1)


@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
@pytest.mark.parametrize("options", [{}, {"tls": "valid"}], ids=["plain", "tls"])
def test_an_end_is_heard_while_the_next_piece_is_waited_for(end, options):
    with FaultServer(**options) as server:
        server.on("POST /", steps.early(lambda _: [Pause(0), end], after=1))

        async def scene():
            verify = {"verify": server.client_context()} if options else {}
            async with AsyncClient("upload", base_url=server.url, policy=PATIENT, **verify) as client:
                return await asyncio.wait_for(client.post("/", content=Endless()), 30)

        result = asyncio.run(scene())
    assert (result.kind, result.sent) == ("reset", True)


def test_a_piece_that_takes_longer_than_the_attempt_may_is_no_refusal():
    with FaultServer() as server:
        server.on("POST /", steps.ok())

        async def scene():
            policy = Policy(timeouts=Timeouts(attempt=0.3, total=20), retry=None)
            async with AsyncClient("upload", base_url=server.url, policy=policy) as client:
                return await client.post("/", content=Endless())

        assert asyncio.run(scene()).kind == "attempt_timeout"


@pytest.mark.parametrize("facade", [Client, AsyncClient])
def test_tls_tickets_are_no_answer(facade):
    """A TLS 1.3 server sends session tickets behind the handshake: something came, and nothing was said."""
    with FaultServer(tls="valid") as server:
        server.on("POST /early", steps.early(steps.status(413, b"enough"), after=50_000))
        server.on("POST /", steps.status(200, b"whole"))
        options = {"base_url": server.url, "verify": server.client_context(), "policy": PATIENT}
        whole, refused = Source(200), Source()
        if facade is Client:
            with Client("upload", **options) as client:
                first, second = client.post("/", content=whole), client.post("/early", content=refused)
        else:

            async def scene():
                async with AsyncClient("upload", **options) as client:
                    return await client.post("/", content=whole), await client.post("/early", content=refused)

            first, second = asyncio.run(scene())
        assert (first.content, whole.taken) == (b"whole", 200)
    assert (second.status, second.content) == (413, b"enough")
    assert refused.taken < MANY / 2


@pytest.mark.parametrize("facade", [Client, AsyncClient])
def test_a_large_upload_over_tls_to_a_slow_reader_arrives_as_it_was_sent(facade):
    content = bytes(range(256)) * 12_000
    with FaultServer(tls="valid") as server:
        server.on("POST /", steps.early(steps.status(200, b"early", after=0.2), after=1_000))
        server.on("POST /echo", steps.echo())
        options = {"base_url": server.url, "verify": server.client_context(), "policy": PATIENT}
        if facade is Client:
            with Client("upload", **options) as client:
                early, echoed = client.post("/", content=content), client.post("/echo", content=content)
        else:

            async def scene():
                async with AsyncClient("upload", **options) as client:
                    return await client.post("/", content=content), await client.post("/echo", content=content)

            early, echoed = asyncio.run(scene())
    assert early.content == b"early"
    assert echoed.attempts[0].reused  # the early answer's upload went to its end
    assert echoed.json()["body"].encode("latin-1") == content


def test_http2_stops_an_upload_that_was_refused():
    with FaultServer(http2=True) as server:
        server.on("POST /", steps.early(steps.status(413, b"enough"), after=50_000))

        async def scene():
            options = {"verify": server.client_context(), "http2": True, "policy": PATIENT}
            async with AsyncClient("upload", base_url=server.url, **options) as client:
                source = Source()
                refused = await client.post("/", content=source)
                return source.taken, refused, await client.get("/echo")

        taken, refused, after = asyncio.run(scene())
        server.journal.assert_connections(1)
    assert (refused.status, refused.content, after.ok) == (413, b"enough", True)
    assert taken < MANY / 2
