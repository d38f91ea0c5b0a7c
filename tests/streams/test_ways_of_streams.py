"""Streams over HTTP/2, over foreign transports, behind redirects and auth flows, and what telemetry makes of them."""

import asyncio
import gzip

import httpx
import pytest
from heard import Meters, Spans

from resilient_client import AsyncClient, CallFailed, Client, FailureKind, Policy, Timeouts
from resilient_client.testing import FaultServer, VirtualWorld, steps

# HTTP/2.


def on_http2(scene, **server_options):
    with FaultServer(http2=True, **server_options) as server:

        async def go():
            options = {"base_url": server.url, "verify": server.client_context(), "http2": True}
            policy = Policy(timeouts=Timeouts(total=20, read=3), max_body=10**9)
            async with AsyncClient("h2", policy=policy, **options) as client:
                return await scene(server, client)

        return asyncio.run(go())


def test_leaving_early_resets_its_own_stream_and_no_other():
    async def scene(server, client):
        server.on("/left", steps.endless_body(piece=b"x" * 1000, every=0.001))
        server.on("/stays", steps.drip_body(0.3, pieces=10))
        async with client.stream("GET", "/stays") as stays:
            pieces = stays.iter_bytes()
            first = await anext(pieces)
            async with client.stream("GET", "/left") as left:
                async for _ in left.iter_bytes():
                    break
            rest = [piece async for piece in pieces]
        await asyncio.to_thread(server.journal.wait_until, lambda journal: journal.in_progress == 0)
        by_path = {seen.path: seen.reset_by_client for seen in server.journal.requests}
        assert first + b"".join(rest) == b"." * 10
        assert by_path == {"/left": True, "/stays": False}
        server.journal.assert_connections(1)
        assert client.state().permits_in_use == 0

    on_http2(scene)


def test_a_cancelled_reader_resets_its_own_stream():
    async def scene(server, client):
        server.on("/", steps.endless_body(piece=b"x", every=0.01))
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
        assert (await client.get("/text")).attempts[0].reused
        server.journal.assert_connections(1)

    on_http2(scene)


def test_readers_that_stand_still_do_not_keep_others_from_their_answers():
    async def scene(server, client):
        server.on("/", steps.endless_body())
        async with asyncio.TaskGroup() as group:
            done = asyncio.Event()
            stand = [asyncio.Event() for _ in range(24)]

            async def stand_still(standing):
                async with client.stream("GET", "/") as result:
                    await anext(result.iter_bytes())
                    standing.set()
                    await done.wait()

            for standing in stand:
                group.create_task(stand_still(standing))
            for standing in stand:
                await standing.wait()
            await asyncio.sleep(1.5)  # by now each has as much waiting as its window allows
            result = await client.get("/text")
            done.set()
        assert result.ok
        server.journal.assert_connections(1)

    on_http2(scene)


# Foreign transports.


class Slow(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A body of a transport that somebody else wrote; `ended` is how it was closed."""

    def __init__(self, pieces=(b"one\n", b"two\n"), every=0.0, error=None):
        self.pieces, self.every, self.error = pieces, every, error
        self.closed = 0

    def __iter__(self):
        yield from self.pieces
        if self.error:
            raise self.error

    async def __aiter__(self):
        for piece in self.pieces:
            await asyncio.sleep(self.every)
            yield piece
        if self.error:
            raise self.error

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


def over_a_foreign_one(body, read, *, kind, **policy):
    """Return what `read(result)` gives of a stream over `httpx.MockTransport`, threads or tasks."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    options = {"base_url": "http://mocked", "transport": transport, "policy": Policy(**policy)}
    if kind is Client:
        with Client("a", **options) as client:
            with client.stream("GET", "/") as result:
                found = read(result.iter_lines())
            assert client.state().permits_in_use == 0
            return found

    async def main():
        async with AsyncClient("a", **options) as client:
            async with client.stream("GET", "/") as result:
                found = await read(result.iter_lines())
            await asyncio.sleep(0)
            assert client.state().permits_in_use == 0
            return found

    return asyncio.run(main())


async def all_of(lines):
    return [line async for line in lines]


def test_a_foreign_transport_is_streamed():
    assert over_a_foreign_one(Slow(), list, kind=Client) == ["one", "two"]
    assert over_a_foreign_one(Slow(), all_of, kind=AsyncClient) == ["one", "two"]


def test_leaving_a_foreign_body_closes_it():
    body = Slow()
    assert over_a_foreign_one(body, next, kind=Client) == "one"
    assert body.closed == 1
    body = Slow()
    assert over_a_foreign_one(body, anext, kind=AsyncClient) == "one"
    assert body.closed == 1


def test_a_foreign_body_outlives_the_timeout_of_its_attempt():
    body = Slow([b"line\n"] * 6, every=0.1)
    timeouts = Timeouts(attempt=0.3, total=5)
    assert over_a_foreign_one(body, all_of, kind=AsyncClient, timeouts=timeouts) == ["line"] * 6


def test_a_foreign_body_ends_at_the_deadline():
    with pytest.raises(CallFailed) as failed:
        over_a_foreign_one(Slow([b"line\n"] * 60, every=0.1), all_of, kind=AsyncClient, timeouts=Timeouts(total=0.4))
    assert failed.value.failure.kind == FailureKind.DEADLINE


def test_a_foreign_body_that_breaks_is_truncated():
    for kind, read in ((Client, list), (AsyncClient, all_of)):
        with pytest.raises(CallFailed) as failed:
            over_a_foreign_one(Slow(error=httpx.ReadError("gone")), read, kind=kind)
        assert failed.value.failure.kind == FailureKind.TRUNCATED
        assert isinstance(failed.value.__cause__, httpx.ReadError)


def test_a_foreign_body_that_cannot_be_closed_stops_nobody():
    class Broken(Slow):
        def close(self):
            raise OSError("cannot")

    assert over_a_foreign_one(Broken(), next, kind=Client) == "one"


def test_a_tool_that_answers_in_our_transports_place_is_streamed(httpx_mock):
    for body in (first := Slow(), second := Slow()):
        httpx_mock.add_response(url="http://mocked/", stream=body)
    with Client("a", base_url="http://mocked") as client, client.stream("GET", "/") as result:
        assert next(result.iter_lines()) == "one"

    async def main():
        async with AsyncClient("a", base_url="http://mocked") as client:
            async with client.stream("GET", "/") as result:
                assert await anext(result.iter_lines()) == "one"
            await asyncio.sleep(0)
            assert client.state().permits_in_use == 0

    asyncio.run(main())
    assert (first.closed, second.closed) == (1, 1)


# On the way to the answer.


def test_redirects_come_before_the_stream(world):
    world.on("/", steps.redirect("/text"))
    streamed = world.client(policy=Policy(redirects=1)).stream("/")
    assert (streamed.items, streamed.result.url) == ([b"ok"], f"{world.url}/text")
    assert [attempt.status for attempt in streamed.result.attempts] == [302, 200]


def test_a_redirect_that_is_not_followed_is_the_answer(world):
    world.on("/", steps.status(302, b"over there", headers=[("Location", "/text")]))
    streamed = world.client().stream("/")
    assert (streamed.result.status, streamed.items) == (302, [b"over there"])


def test_an_auth_flow_comes_before_the_stream(world):
    world.on("/", steps.require_digest(then=steps.status(200, b"secret")))
    streamed = world.client(auth=httpx.DigestAuth("user", "password")).stream("/")
    assert streamed.items == [b"secret"]
    assert [attempt.status for attempt in streamed.result.attempts] == [401, 200]


def test_a_flow_that_wants_to_see_the_body_leaves_it_to_the_reader(world):
    class Looking(httpx.Auth):
        requires_response_body = True

        def auth_flow(self, request):
            response = yield request
            assert response.content == b"ok"

    assert world.client(auth=Looking()).stream("/text").items == [b"ok"]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_no_body_is_over_when_it_begins(world, method):
    world.on("/", steps.status(200 if method == "HEAD" else 204, headers=[("Content-Encoding", "gzip")]))
    client = world.client()
    streamed = client.stream("/", method=method, upto=1)
    assert (streamed.result.ok, streamed.items, streamed.failure) == (True, [], None)
    assert client.get("/text").attempts[0].reused


def test_garbage_behind_a_coding_is_told_after_what_was_good(world):
    good = b"line\n" * 1000
    body = gzip.compress(good) + b"garbage"
    world.on("/", steps.status(200, body, headers=[("Content-Encoding", "gzip")]))
    streamed = world.client().stream("/")
    assert b"".join(streamed.items) == good
    assert streamed.failure.kind == FailureKind.DECODE


# What telemetry makes of it.


def test_spans_end_with_the_stream():
    world, spans = VirtualWorld(), Spans()
    world.on("/", steps.drip_body(4, pieces=4))
    client = world.client(listeners=[spans.listener], telemetry=False)
    with client.stream("GET", "/") as result:
        pieces = result.iter_bytes()
        next(pieces)
        assert spans.all == ()
        list(pieces)
    (call,), (exchange,) = spans.calls, spans.exchanges
    assert call.attributes["resilient_client.outcome"] == "success"
    assert exchange.parent.span_id == call.context.span_id
    assert "error.type" not in exchange.attributes


def test_spans_of_a_stream_that_breaks_tell_why(world):
    spans = Spans()
    world.on("/", steps.short_body(promised=100, sent=b"begun"))
    streamed = world.client(listeners=[spans.listener], telemetry=False).stream("/")
    assert streamed.failure.kind == FailureKind.TRUNCATED
    (call,), (exchange,) = spans.calls, spans.exchanges
    assert (call.attributes["error.type"], exchange.attributes["error.type"]) == ("truncated", "truncated")


def test_a_span_begun_inside_the_block_is_no_child_of_the_call(world):
    spans = Spans()
    client = world.client(listeners=[spans.listener], telemetry=False).client
    with spans.tracer.start_as_current_span("handler") as handler:
        if isinstance(client, AsyncClient):

            async def main():
                async with client.stream("GET", "/text") as result:
                    async for _ in result.iter_bytes():
                        spans.tracer.start_span("inside").end()

            world.finish(main())
        else:
            with client.stream("GET", "/text") as result:
                for _ in result.iter_bytes():
                    spans.tracer.start_span("inside").end()
    (inside,) = [span for span in spans.all if span.name == "inside"]
    assert inside.parent.span_id == handler.get_span_context().span_id


def test_a_timeout_in_the_body_is_counted():
    world, meters = VirtualWorld(), Meters()
    world.on("/", steps.drip_body(30, pieces=30))
    client = world.client(listeners=[meters.listener], telemetry=False, policy=Policy(timeouts=Timeouts(total=15)))
    with pytest.raises(CallFailed), client.stream("GET", "/") as result:
        list(result.iter_bytes())
    ((attributes, count),) = meters.points("resilient_client.timeouts")
    assert (attributes["scope"], count) == ("total", 1)
