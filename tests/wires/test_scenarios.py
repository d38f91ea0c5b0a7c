"""The same scenarios over every wire: what goes out, what comes back, what is repeated, and what is let go of."""

import asyncio
import gc
import threading
import time
import warnings

import pytest
from faults.left_behind import connections

from resilient_client import AsyncClient, Breaker, Bulkhead, FailureKind, Policy, Retry, Timeouts
from resilient_client.testing import steps
from resilient_client.testing.script import Close, Raw

CALM = Policy(retry=None, breaker=None, timeouts=Timeouts(connect=10, read=10, write=10, attempt=20, total=40))


def eventually(found, seconds=10):
    until = time.monotonic() + seconds
    while not found() and time.monotonic() < until:
        time.sleep(0.01)
    return found()


def test_what_is_sent_is_what_was_asked_for(world):
    world.on("/echo", steps.echo())
    result = world.client().request("PATCH", "/echo?a=b%20c", headers={"X-One": "1"}, content=b"body")
    sent = result.json()
    assert (sent["method"], sent["target"], sent["body"]) == ("PATCH", "/echo?a=b%20c", "body")
    fields = [(name.lower(), value) for name, value in sent["headers"]]
    assert dict(fields)["x-one"] == "1"
    assert dict(fields)["content-length"] == "4"
    assert dict(fields)["user-agent"] == "resilient-client"
    assert len(dict(fields)) == len(fields)  # nothing twice, nothing of the library's own
    assert not {"content-type", "cookie", "referer", "authorization"} & dict(fields).keys()


def test_fields_that_come_more_than_once_stay_apart(world):
    world.on("/", steps.status(200, headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Other", "c")]))
    headers = world.client().get("/").headers
    assert headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert headers["x-other"] == "c"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_length_that_is_no_number_anybody_can_use_does_not_raise(world, method):
    head = b"HTTP/1.1 304 Not Modified\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n"
    world.on("/", lambda _: [Raw(head), Close()])
    result = world.client(policy=CALM).request(method, "/")
    assert result.status == 304 or result.kind is FailureKind.PROTOCOL


def test_an_answer_whose_head_is_refused_is_let_go_of(world):
    gc.collect()
    unasked = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    world.on("/", lambda _: [Raw(unasked)])
    runner = getattr(world, "runner", None)
    if runner is not None:
        runner.get_loop().set_debug(True)  # only then aiohttp says what was not closed
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert world.client(policy=CALM).get("/").kind is FailureKind.PROTOCOL
        gc.collect()
    assert [said for said in (str(one.message) for one in warned) if said.startswith("Unclosed response")] == []


def test_cookies_are_not_kept(world):
    world.on("/", steps.status(200, headers=[("Set-Cookie", "a=1; Path=/")]))
    world.on("/echo", steps.echo())
    caller = world.client()
    caller.get("/")
    assert "cookie" not in {name.lower() for name, _ in caller.get("/echo").json()["headers"]}


def test_a_redirect_is_ours_to_follow(world):
    world.on("/", steps.redirect("/text"))
    assert world.client(policy=CALM).get("/").status == 302
    assert world.client(policy=Policy(redirects=1), headers={"Host": "shop.example"}).get("/").text == "ok"
    assert [request.headers["host"] for request in world.journal.requests][1:] == ["shop.example"] * 2


def test_a_proxy_of_the_environment_is_not_asked(world, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert world.client(policy=CALM).get("/text").text == "ok"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3_000_000])
def test_a_body_comes_whole(world, size):
    world.on("/", steps.status(200, b"x" * size))
    result = world.client().get("/")
    assert len(result.content) == size


def test_a_body_is_decoded_here_and_bounded(world):
    world.on("/", steps.gzip_bomb(50_000_000))
    failure = world.client(policy=Policy(max_body=1_000_000, retry=None)).get("/")
    assert failure.kind is FailureKind.TOO_LARGE


@pytest.mark.parametrize("pieces", [[b"a" * 70_000] * 20, [b"one", b"two"]], ids=["large", "small"])
def test_a_body_from_an_iterator_goes_out(world, pieces):
    world.on("/echo", steps.echo())
    assert world.client().post("/echo", content=iter(pieces)).json()["body"] == b"".join(pieces).decode()


def test_a_stream_begins_with_its_first_bytes(world):
    world.on("/", steps.drip_body(20, pieces=100))
    started = time.monotonic()
    streamed = world.client(policy=CALM).stream("/", upto=1)
    assert streamed.items[0].startswith(b".")
    assert time.monotonic() - started < 10  # the whole of it takes 20 s


def test_a_stream_lasts_longer_than_an_attempt(world):
    world.on("/", steps.drip_body(1.2, pieces=10))
    patient = Policy(timeouts=Timeouts(attempt=0.8, read=0.8, total=20), retry=None)
    streamed = world.client(policy=patient).stream("/")
    assert b"".join(streamed.items) == b"." * 10


def test_a_stream_that_never_ends_has_a_deadline(world):
    world.on("/", steps.drip_body(50, pieces=1000))
    started = time.monotonic()
    streamed = world.client(policy=Policy(timeouts=Timeouts(total=0.8), retry=None)).stream("/")
    assert streamed.failure.kind is FailureKind.DEADLINE
    assert 0.79 <= time.monotonic() - started < 5


@pytest.mark.parametrize(
    "step",
    [steps.hang(), steps.drip_head(20, pieces=400), steps.drip_body(20, pieces=400)],
    ids=["silence", "head", "body"],
)
def test_the_deadline_holds_whatever_comes(world, step):
    world.on("/", step)
    started = time.monotonic()
    failure = world.client(policy=Policy(timeouts=Timeouts(total=0.5), retry=None)).get("/")
    assert failure.kind is FailureKind.DEADLINE
    assert 0.49 <= time.monotonic() - started < 5


def test_a_silent_server_is_a_read_timeout(world):
    world.on("/", steps.hang())
    silent = Policy(timeouts=Timeouts(read=0.2, attempt=20, total=40), retry=None)
    failure = world.client(policy=silent).post("/", content=b"x")
    assert failure.kind is FailureKind.READ_TIMEOUT
    assert failure.sent


def test_a_server_that_is_down_has_seen_nothing(world):
    caller = world.client(policy=Policy(retry=Retry(max_attempts=2, wait_initial=0, wait_max=0), breaker=None))
    world.down()
    failure = caller.post("/text", content=b"x")
    world.up()
    assert failure.kind is FailureKind.CONNECT
    assert not failure.sent
    assert len(failure.attempts) == 2


def test_a_post_that_may_have_been_seen_is_sent_once(world):
    world.on("/", steps.reset())
    caller = world.client(policy=Policy(retry=Retry(max_attempts=3, wait_initial=0, wait_max=0), breaker=None))
    failure = caller.post("/", content=b"x")
    assert failure.kind is FailureKind.RESET
    assert failure.sent
    assert len(failure.attempts) == 1
    assert len(world.journal.requests) == 1


def test_a_get_is_repeated_by_us_alone(world):
    world.on("/", steps.close())
    caller = world.client(policy=Policy(retry=Retry(max_attempts=3, wait_initial=0, wait_max=0), breaker=None))
    failure = caller.get("/")
    assert failure.kind is FailureKind.RESET
    assert len(world.journal.requests) == len(failure.attempts) == 3


def test_connections_are_used_again(world):
    caller = world.client()
    for _ in range(5):
        assert caller.get("/text").ok
    world.journal.assert_connections(1)


def test_an_idle_connection_that_the_server_closed_is_no_failure(world):
    caller = world.client(policy=CALM)
    assert caller.get("/text").ok
    world.close_idle()
    assert eventually(lambda: _turned(world) and all(one.over for one in connections()))
    if "pyreqwest" in world.name:  # it hears of it in a thread of its own
        assert eventually(lambda: not connections())
    assert [caller.get("/text").text for _ in range(3)] == ["ok"] * 3


def test_many_at_once(world):
    results = world.client(policy=Policy(bulkhead=Bulkhead(max_concurrent=20))).many(20, "/text")
    assert [result.text for result in results] == ["ok"] * 20


def test_nothing_is_kept_open_after_the_client(world):
    caller = world.client()
    assert caller.many(5, "/text")
    world.finish(caller.client.close())
    assert eventually(lambda: _turned(world) and not connections())


def test_leaving_a_stream_closes_its_connection(world):
    world.on("/", steps.drip_body(200, pieces=10_000))
    world.client(policy=CALM).stream("/", upto=1)
    assert eventually(lambda: _turned(world) and any(seen.aborted for seen in world.journal.requests))


def _turned(world):
    """Let the event loop of the world do what it has to do."""
    if hasattr(world, "runner"):
        world.finish(asyncio.sleep(0.001))
    return True


def test_a_breaker_counts_what_a_wire_reports(world):
    world.on("/", steps.reset())
    caller = world.client(policy=Policy(retry=None, breaker=Breaker(min_calls=2, failure_ratio=1.0)))
    assert [caller.get("/").kind for _ in range(3)] == ["reset", "reset", "circuit_open"]


def test_a_call_that_is_cancelled_gives_its_permit_back(world):
    if not hasattr(world, "runner"):
        pytest.skip("threads are not cancelled")
    world.on("/", steps.hang())
    client: AsyncClient = world.client(policy=Policy(bulkhead=Bulkhead(max_concurrent=1))).client

    async def go():
        call = asyncio.ensure_future(client.get("/"))
        while not client.state().permits_in_use:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        started = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        took = time.monotonic() - started
        return took, client.state().permits_in_use, await client.get("/text")

    took, held, after = world.finish(go())
    assert took < 2
    assert held == 0
    assert after.ok


def test_threads_share_a_client(world):
    if hasattr(world, "runner"):
        pytest.skip("tasks do not run on several threads")
    client, found = world.client().client, []
    threads = [threading.Thread(target=lambda: found.append(client.get("/text").text)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["ok"] * 10
