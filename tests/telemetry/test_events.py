"""What a listener is told, in which order, and what it cannot do."""

import asyncio
import logging
import threading

import pytest
from heard import Listening

from resilient_client import Breaker, Bulkhead, Client, FailureKind, Policy, Retry, Timeouts, events
from resilient_client.events import (
    AttemptEnded,
    CallCancelled,
    CallGivenUp,
    CallSucceeded,
    CircuitChanged,
    CircuitCounted,
    ExchangeAnswered,
    ExchangeEnded,
    ExchangeStarted,
    PermitAwaited,
    Rejected,
    RetryScheduled,
)
from resilient_client.testing import VirtualWorld, steps

QUICK = Retry(wait_initial=0.001, wait_max=0.002)


def test_a_call_that_a_retry_saves_is_told_from_start_to_end(world):
    world.on("/orders/7", steps.status(503), then=steps.ok())
    told = Listening()
    client = world.client(policy=Policy(retry=QUICK), listeners=[told], telemetry=False)
    result = client.get("/orders/7", route="/orders/{id}")
    assert told.names == [
        *("CallStarted", "ExchangeStarted", "ExchangeAnswered", "ExchangeEnded", "CircuitCounted", "AttemptEnded"),
        *("RetryScheduled", "ExchangeStarted", "ExchangeAnswered", "ExchangeEnded", "CircuitCounted", "AttemptEnded"),
        "CallSucceeded",
    ]
    call = told.events[0].call
    assert (call.method, call.route, call.retries) == ("GET", "/orders/{id}", 1)
    assert all(event.call is call for event in told.events)
    first, second = told.of(ExchangeEnded)
    assert (first.status, first.kind, first.reused, second.status, second.kind) == (
        503,
        "server_error",
        False,
        200,
        None,
    )
    assert [event.exchange.number for event in told.of(ExchangeStarted)] == [0, 1]
    assert [event.attempt.number for event in told.of(AttemptEnded)] == [1, 2]
    assert told.of(RetryScheduled)[0].delay == pytest.approx(result.attempts[0].wait, abs=0.2)
    assert told.events[-1].result == result


class Sparing(Listening):
    """Passes over refusals of one client."""

    def passes_over(self, client, why, sent):
        assert not sent or why is FailureKind.CLIENT_ERROR
        if client == "broken":
            raise LookupError(client)
        return client == "loud" and why is FailureKind.CIRCUIT_OPEN


def test_a_listener_is_not_told_what_it_passes_over():
    world = VirtualWorld()
    sparing, other = Sparing(Rejected, CallGivenUp), Listening(Rejected, CallGivenUp)
    for name in ("loud", "quiet", "broken"):
        client = world.client(name, policy=Policy(breaker=Breaker()), listeners=[sparing, other], telemetry=False)
        client.breaker("http://far.side").isolate()
        assert client.get("/").kind is FailureKind.CIRCUIT_OPEN
    assert [event.call.client for event in sparing.events] == ["quiet", "quiet", "broken", "broken"]
    assert len(other.events) == 6
    world.client("loud", policy=Policy(retry=None), listeners=[sparing], telemetry=False).get("/not scripted")
    assert [event.call.client for event in sparing.of(CallGivenUp)][-1] == "loud"


def test_a_failure_is_told_with_its_result(world):
    world.on("/", steps.reset())
    told = Listening(CallGivenUp, ExchangeEnded)
    failure = world.client(policy=Policy(retry=None), listeners=[told]).get("/")
    assert told.names == ["ExchangeEnded", "CallGivenUp"]
    assert told.events[0].kind == FailureKind.RESET
    assert told.events[1].result == failure


def test_hops_of_a_redirect_are_exchanges_of_their_own(world):
    world.on("/a", steps.redirect("/b"))
    world.on("/b", steps.redirect("/c", 303))
    world.on("/c", steps.ok())
    told = Listening(ExchangeStarted, ExchangeEnded)
    world.client(policy=Policy(redirects=3), listeners=[told]).get("/a")
    assert told.names == ["ExchangeStarted", "ExchangeEnded"] * 3
    assert [event.exchange.url.rpartition("/")[2] for event in told.of(ExchangeStarted)] == ["a", "b", "c"]
    assert [event.status for event in told.of(ExchangeEnded)] == [302, 303, 200]


def test_requests_of_an_auth_flow_are_exchanges_of_their_own(world):
    httpx = pytest.importorskip("httpx")
    world.on(
        "/",
        steps.status(401, headers=[("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')]),
        then=steps.ok(),
    )
    told = Listening(ExchangeStarted, ExchangeEnded)
    assert world.client(auth=httpx.DigestAuth("me", "s3cret"), listeners=[told]).get("/").ok
    assert [(event.status, event.kind) for event in told.of(ExchangeEnded)] == [(401, "client_error"), (200, None)]


def test_what_a_listener_adds_to_an_exchange_is_sent_and_replaces_what_was_there(world):
    world.on("/", steps.status(503), then=steps.echo())

    def number(event):
        event.exchange.headers += [("X-Number", str(event.exchange.number)), ("X-Mine", "listener")]

    number.hears = (ExchangeStarted,)
    client = world.client(policy=Policy(retry=QUICK), listeners=[number], headers={"x-mine": "client"})
    assert client.get("/").ok
    sent = [(seen.headers["x-number"], seen.headers["x-mine"]) for seen in world.journal.requests]
    assert sent == [("0", "listener"), ("1", "listener")]


def test_the_address_of_the_peer_is_told_over_real_sockets(wire):
    told = Listening(ExchangeAnswered)
    wire.client(listeners=[told]).get("/")
    (answered,) = told.events
    assert answered.peer == ("127.0.0.1", int(wire.url.rpartition(":")[2]))
    assert (answered.status, answered.http_version) == (200, "HTTP/1.1")


def test_rejections_tell_who_rejected(virtual):
    virtual.on("/", steps.status(500))
    told = Listening(Rejected, CircuitCounted, CircuitChanged)
    client = virtual.client(policy=Policy(retry=None, breaker=Breaker(consecutive=2)), listeners=[told])
    for _ in range(3):
        client.get("/")
    assert told.names == ["CircuitCounted", "CircuitChanged", "CircuitCounted", "Rejected", "CircuitCounted"]
    counted = [event.outcome for event in told.of(CircuitCounted)]
    assert counted == ["failure", "failure", "rejected"]
    (changed,) = told.of(CircuitChanged)
    assert (changed.client, changed.before, changed.after, changed.failures) == ("far-side", "closed", "open", 2)
    assert 4.5 <= changed.open_for <= 5
    (rejected,) = told.of(Rejected)
    assert (rejected.kind, rejected.by) == (FailureKind.CIRCUIT_OPEN, changed.circuit)


def test_waits_for_a_permit_are_told_with_their_length_and_their_end():
    world = VirtualWorld()
    world.on("/", steps.ok(after=1))
    told = Listening(PermitAwaited, Rejected)
    bulkhead = Bulkhead(max_concurrent=1, max_waiting=2, max_wait=1.5)
    client = world.async_client(policy=Policy(bulkhead=bulkhead), listeners=[told])
    world.run(world.gather(*(client.get("/") for _ in range(4))))
    waits = [(event.seconds, event.admitted) for event in told.of(PermitAwaited)]
    assert waits == [(1.0, True), (1.5, False)]
    assert [event.kind for event in told.of(Rejected)] == [FailureKind.BULKHEAD_FULL] * 2


def test_a_caller_that_leaves_is_told_once_and_as_no_failure():
    world = VirtualWorld()
    world.on("/", steps.hang())
    told = Listening(ExchangeEnded, CallCancelled, CallGivenUp, CallSucceeded)
    client = world.async_client(listeners=[told])
    flow = world.spawn(client.get("/"))
    world.advance(0.5)
    flow.cancel()
    world.advance(0)
    assert told.names == ["ExchangeEnded", "CallCancelled"]
    assert (told.events[0].cancelled, told.events[0].kind, told.events[1].elapsed) == (True, None, 0.5)


def test_a_change_of_a_shared_circuit_is_told_once_to_each_listener():
    world = VirtualWorld()
    world.down()
    both, second = Listening(CircuitChanged), Listening(CircuitChanged)
    policy = Policy(retry=None, breaker=Breaker(consecutive=1))
    one = world.client("stock", policy=policy, listeners=[both])
    other = world.client("shop", kernels=one.kernels, listeners=[both, second])
    other.get("/")
    one.breaker("http://far.side").close()
    for told in (both, second):
        assert [(event.client, event.after) for event in told.events] == [("stock", "open"), ("stock", "closed")]


# What a listener cannot do.


def test_a_listener_that_raises_changes_nothing_and_is_logged_once(world, caplog):
    def broken(event):
        raise ZeroDivisionError("in the listener")

    told = Listening()
    client = world.client(listeners=[broken, told])
    with caplog.at_level(logging.ERROR, "resilient_client"):
        assert client.get("/").ok
        assert client.get("/").ok
    assert told.names.count("CallSucceeded") == 2
    assert [record.message.partition(",")[0] for record in caplog.records] == ["a listener raised on CallStarted"]


def test_nothing_is_built_when_nobody_listens(monkeypatch):
    def refuse(*_):
        raise AssertionError("built for nobody")

    world = VirtualWorld()
    world.on("/", steps.status(503), then=steps.ok())
    client = world.client(telemetry=False)
    for kind in events.EVENTS:
        monkeypatch.setattr(kind, "__init__", refuse)
    monkeypatch.setattr(events.CallInfo, "__init__", refuse)
    monkeypatch.setattr(events.Exchange, "__init__", refuse)
    assert client.get("/").ok
    world.down()
    for _ in range(30):
        client.get("/")


def test_a_call_that_succeeds_builds_nothing_for_the_logs_alone(monkeypatch):
    def refuse(*_):
        raise AssertionError("built for nobody")

    world = VirtualWorld()
    client = world.client()
    monkeypatch.setattr(events.CallInfo, "__init__", refuse)
    assert client.get("/").ok


def test_a_listener_is_told_only_what_it_hears(world):
    told = Listening(CallSucceeded)
    world.client(listeners=[told]).get("/")
    assert told.names == ["CallSucceeded"]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"listeners": [3]}, TypeError, "listeners: 3 is no function of an event"),
        ({"http_spans": "both"}, ValueError, 'give "own" or "delegate"'),
    ],
)
def test_wrong_listeners_are_refused_when_the_client_is_made(options, error, said):
    with pytest.raises(error, match=said):
        Client("a", **options)


def test_events_hold_no_credentials(world):
    told = Listening()
    client = world.client(listeners=[told], headers={"Authorization": "Bearer s3cret"})
    client.get("/?token=s3cret&a=1")
    assert "s3cret" not in "".join(map(repr, told.events))
    assert "token=REDACTED&a=1" in told.events[0].call.url


# Many at once.


def test_events_of_calls_from_threads_and_tasks_never_mix(wire):
    told = Listening()
    client = wire.client(listeners=[told], policy=Policy(timeouts=Timeouts(total=60)))
    client.many(40, "/")
    by_call = {}
    for event in told.events:
        by_call.setdefault(id(event.call), []).append(type(event).__name__)
    assert len(by_call) == 40
    assert {tuple(names) for names in by_call.values()} == {
        (
            "CallStarted",
            "ExchangeStarted",
            "ExchangeAnswered",
            "ExchangeEnded",
            "CircuitCounted",
            "AttemptEnded",
            "CallSucceeded",
        )
    }


def test_one_listener_may_serve_clients_of_threads_and_of_tasks(fault_server):
    from resilient_client import AsyncClient

    told = Listening(CallSucceeded)

    def by_thread():
        with Client("a", base_url=fault_server.url, listeners=[told]) as client:
            client.get("/")

    async def by_task():
        async with AsyncClient("b", base_url=fault_server.url, listeners=[told]) as client:
            await client.get("/")

    thread = threading.Thread(target=by_thread)
    thread.start()
    asyncio.run(by_task())
    thread.join()
    assert sorted(event.call.client for event in told.events) == ["a", "b"]
