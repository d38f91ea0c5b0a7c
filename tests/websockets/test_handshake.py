"""The handshake of a WebSocket is a call as any other: attempts, retries, redirects, auth, and every way to fail."""

import sys

import httpx
import pytest

from resilient_client import (
    AsyncClient,
    Breaker,
    Client,
    ConfigError,
    FailureKind,
    Policy,
    Retry,
    StopReason,
    Timeouts,
)
from resilient_client.testing import VirtualWorld, steps

QUICK = Policy(retry=Retry(wait_initial=0.001, wait_max=0.002))
ONCE = Policy(retry=None)


async def nothing(socket):
    return socket


async def echoed(socket):
    await socket.send("hello")
    return await socket.receive()


def test_the_request_is_the_one_of_the_rfc(world):
    world.on("GET /chat", steps.websocket())
    assert world.client().socket("/chat", echoed, params={"room": 7}, headers={"Origin": "http://here"}) == "hello"
    (seen,) = world.journal.requests
    fields = seen.headers
    assert (seen.method, seen.target) == ("GET", "/chat?room=7")
    assert (fields["upgrade"], fields["connection"], fields["sec-websocket-version"]) == ("websocket", "Upgrade", "13")
    assert (len(fields["sec-websocket-key"]), fields["origin"]) == (24, "http://here")
    assert "sec-websocket-protocol" not in fields
    assert "sec-websocket-extensions" not in fields


def test_each_attempt_has_a_key_and_a_connection_of_its_own(world):
    world.on("/", steps.status(503), steps.reset(), steps.status(503, b"x" * 10), then=steps.websocket())
    client = world.client(policy=Policy(retry=Retry(max_attempts=4, wait_initial=0.001, wait_max=0.002)))

    async def use(socket):
        return [str(attempt.kind) for attempt in socket.attempts], await echoed(socket)

    kinds = ["server_error", "reset", "server_error", "None"]
    assert client.socket("/", use) == (kinds, "hello")
    assert len({seen.headers["sec-websocket-key"] for seen in world.journal.requests}) == 4
    world.journal.assert_connections(4)


def test_the_connection_of_a_handshake_is_used_by_nobody_else(world):
    world.on("/", steps.status(401, b"who are you?"))
    client = world.client()
    assert client.socket("/", nothing).content == b"who are you?"
    assert not client.get("/text").attempts[0].reused
    assert "upgrade" not in world.journal.requests[-1].headers


def test_a_server_that_asks_for_patience_gets_it(virtual):
    virtual.on("/", steps.retry_after(503, 3), then=steps.websocket())
    assert virtual.client().socket("/", echoed) == "hello"
    virtual.journal.assert_gaps_at_least(3)


@pytest.mark.parametrize(
    ("step", "kind", "status", "says"),
    [
        (steps.status(401, b"who?"), "client_error", 401, "401 Unauthorized"),
        (steps.status(404), "client_error", 404, "404"),
        (steps.status(426), "client_error", 426, "426"),
        (steps.status(429), "throttled", 429, "429"),
        (steps.status(500), "server_error", 500, "500"),
        (steps.text("a page"), "unexpected", 200, "200 OK instead of a change to WebSocket"),
        (steps.redirect("/there"), "unexpected", 302, "302 Found instead of a change to WebSocket"),
        (steps.close(), "reset", None, "before the first byte"),
        (steps.reset(), "reset", None, "before the first byte"),
        (steps.garbage(), "protocol", None, "does not begin as HTTP"),
        (steps.status(400, b"x" * 2000), "client_error", 400, "400"),
        (steps.websocket(headers=[("Sec-WebSocket-Accept", "c29tZWJvZHkgZWxzZSdz")]), "protocol", None, "Accept"),
        (steps.websocket(headers=[("Upgrade", "h2c")]), "protocol", None, "does not upgrade"),
        (steps.websocket(headers=[("Upgrade", "websocket, h2c")]), "protocol", None, "does not upgrade"),
        (steps.websocket(headers=[("Connection", "keep-alive")]), "protocol", None, "Connection"),
        (steps.websocket(headers=[("Sec-WebSocket-Extensions", "permessage-deflate")]), "protocol", None, "extension"),
        (steps.websocket(subprotocol="nobody-asked"), "protocol", None, "'nobody-asked'"),
    ],
)
def test_every_answer_that_is_no_websocket_is_a_failure(world, step, kind, status, says):
    world.on("/", step)
    client = world.client(policy=ONCE)
    failure = client.socket("/", nothing)
    assert (str(failure.kind), failure.status) == (kind, status)
    assert says in failure.message
    assert client.state().permits_in_use == 0


def test_the_body_of_a_refusal_is_there(world):
    world.on("/", steps.status(403, b"not for you"))
    assert world.client().socket("/", nothing).content == b"not for you"


def test_what_is_no_websocket_is_asked_once_and_does_not_count_against_the_circuit(world):
    world.on("/", steps.text())
    client = world.client(policy=QUICK)
    assert client.socket("/", nothing).stopped is StopReason.NOT_RETRYABLE
    (circuit,) = client.state().circuits.values()
    assert (circuit.calls, circuit.failures) == (1, 0)


def test_a_server_that_never_answers_costs_the_attempt(world):
    world.on("/", steps.hang())
    client = world.client(policy=Policy(timeouts=Timeouts(attempt=0.1, total=5), retry=None))
    failure = client.socket("/", nothing)
    assert failure.kind is FailureKind.ATTEMPT_TIMEOUT
    assert client.state().permits_in_use == 0


def test_the_deadline_bounds_the_handshake(world):
    world.on("/", steps.hang())
    failure = world.client(policy=Policy(timeouts=Timeouts(total=0.1))).socket("/", nothing)
    assert failure.kind is FailureKind.DEADLINE


def test_a_server_that_is_down_is_a_failure_to_connect(world):
    world.down()
    assert world.client(policy=ONCE).socket("/", nothing).kind is FailureKind.CONNECT


def test_an_open_circuit_lets_nothing_through_and_is_the_one_of_the_origin(world):
    world.on("/", steps.status(500))
    client = world.client(policy=Policy(breaker=Breaker(consecutive=1), retry=None))
    assert client.get("/").status == 500
    assert client.socket("/", nothing).kind is FailureKind.CIRCUIT_OPEN
    world.journal.assert_requests(1)


# Subprotocols, redirects, auth.


def test_the_subprotocol_is_one_that_was_offered(world):
    world.on("/", steps.websocket(subprotocol="v2.chat"))

    async def use(socket):
        return socket.subprotocol

    assert world.client().socket("/", use, subprotocols=["v3.chat", "v2.chat"]) == "v2.chat"
    assert world.journal.requests[0].headers["sec-websocket-protocol"] == "v3.chat, v2.chat"


def test_a_server_may_choose_no_subprotocol(world):
    world.on("/", steps.websocket())

    async def use(socket):
        return socket.subprotocol

    assert world.client().socket("/", use, subprotocols=("v3.chat",)) is None


def test_redirects_are_followed_when_they_are_on(world):
    world.on("/old", steps.redirect("/new", 307))
    world.on("/new", steps.websocket(subprotocol="chat"))
    client = world.client(policy=Policy(redirects=3))
    assert client.socket("/old", echoed, subprotocols=["chat"]) == "hello"
    assert len({seen.headers["sec-websocket-key"] for seen in world.journal.requests}) == 2


def test_a_redirect_may_name_a_websocket_url(world):
    world.on("/old", steps.redirect(f"{world.url.replace('http', 'ws')}/new"))
    world.on("/new", steps.websocket())
    assert world.client(policy=Policy(redirects=3)).socket("/old", echoed) == "hello"


def test_credentials_do_not_follow_to_another_origin(wire, fault_server_factory):
    other = fault_server_factory()
    other.on("/", steps.websocket())
    wire.on("/", steps.redirect(f"{other.url}/"))
    client = wire.client(policy=Policy(redirects=1), headers={"X-Api-Key": "secret"}, auth=("user", "password"))
    assert client.socket("/", echoed) == "hello"
    fields = other.journal.requests[0].headers
    assert "authorization" not in fields
    assert "x-api-key" not in fields
    assert fields["upgrade"] == "websocket"


def test_basic_auth_is_sent(world):
    world.on("/", steps.websocket())
    assert world.client(auth=("user", "password")).socket("/", echoed) == "hello"
    assert world.journal.requests[0].headers["authorization"].startswith("Basic ")


def test_an_auth_flow_of_several_requests_opens_the_socket_with_the_last(world):
    world.on("/", steps.require_digest(then=steps.websocket()))
    assert world.client().socket("/", echoed, auth=httpx.DigestAuth("user", "password")) == "hello"
    assert [seen.status for seen in world.journal.requests] == [401, 101]


class ReadsBodies(httpx.Auth):
    requires_response_body = True

    def auth_flow(self, request):
        yield request


def test_an_auth_that_reads_bodies_finds_none_of_a_socket(world):
    world.on("/", steps.websocket())
    assert world.client().socket("/", echoed, auth=ReadsBodies()) == "hello"


# URLs and arguments.


@pytest.mark.parametrize("url", ["ws://far.side/chat", "http://far.side/chat", "WS://far.side/chat", "/chat", "chat"])
def test_a_url_may_be_of_either_kind_or_relative(virtual, url):
    virtual.on("/chat", steps.websocket())

    async def use(socket):
        return socket.url, await echoed(socket)

    assert virtual.client().socket(url, use) == ("http://far.side/chat", "hello")


def test_wss_is_https(virtual):
    virtual.on("/chat", steps.websocket())
    client = virtual.client(base_url="https://far.side")
    assert client.socket("wss://far.side/chat", echoed) == "hello"
    with pytest.raises(ConfigError, match="leaves base_url"):
        client.socket("ws://far.side/chat", echoed)


@pytest.mark.parametrize(
    ("url", "options", "error", "says"),
    [
        ("ws://elsewhere/chat", {}, ConfigError, "leaves base_url"),
        ("ftp://far.side/chat", {}, ConfigError, "http or https"),
        ("ws://user:secret@far.side/", {}, ConfigError, "credentials do not belong"),
        ("ws://far.side:99999/", {}, ConfigError, "port"),
        ("../up", {}, ConfigError, "leads out of"),
        (7, {}, TypeError, "give a str"),
        ("/", {"json": {}}, TypeError, "unknown option json="),
        ("/", {"expect": {200}}, TypeError, "unknown option expect="),
        ("/", {"subprotocols": "chat"}, TypeError, "a list of names"),
        ("/", {"subprotocols": ["two words"]}, ConfigError, "two words"),
        ("/", {"subprotocols": ["a", "a"]}, ConfigError, "each name once"),
        ("/", {"subprotocols": [7]}, ConfigError, "not a name"),
        ("/", {"max_message": 0}, ConfigError, "at least 1"),
        ("/", {"max_message": True}, ConfigError, "at least 1"),
        ("/", {"ping_every": 0}, ConfigError, "seconds above 0 or None"),
        ("/", {"ping_every": "20s"}, ConfigError, "seconds above 0"),
        ("/", {"pong_within": None}, ConfigError, "seconds above 0"),
        ("/", {"headers": {"Sec-WebSocket-Protocol": "chat"}}, ValueError, "subprotocols="),
        ("/", {"headers": {"Upgrade": "websocket"}}, ValueError, "leave it out"),
        ("/", {"headers": {"Sec-WebSocket-Key": "x"}}, ValueError, "leave it out"),
        ("/", {"policy": 7}, TypeError, "Policy"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_sent(virtual, url, options, error, says):
    client = virtual.client()
    with pytest.raises(error, match=says):
        client.socket(url, nothing, **options)
    virtual.journal.assert_connections(0)


def test_without_wsproto_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wsproto.frame_protocol", None)
    for name in [name for name in sys.modules if name.startswith("resilient_client.wire.websockets.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"resilient-client\[ws\]"), VirtualWorld().client().websocket("/"):
        pass


def test_a_foreign_transport_gives_no_sockets():
    with Client("a", base_url="http://a", transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        with pytest.raises(ConfigError, match="without transport="), client.websocket("/"):
            pass


def test_a_wire_that_does_not_know_upgrades_gives_no_sockets():
    class Wire:
        async def send(self, request, limits, *, fresh, hops):
            raise AssertionError("nothing is sent")

        async def close(self):
            pass

    with Client("a", base_url="http://a", wire=Wire()) as client:
        with pytest.raises(ConfigError, match="wire="), client.websocket("/"):
            pass


def test_a_tool_that_answers_in_the_transports_place_cannot_give_a_connection(monkeypatch):
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda *_: httpx.Response(101))
    with Client("a", base_url="http://a") as client, client.websocket("/") as result:
        assert (result.kind, result.status) == (FailureKind.UNEXPECTED, 101)


def test_a_closed_client_opens_nothing(fault_server):
    client = Client("a", base_url=fault_server.url)
    client.close()
    with pytest.raises(RuntimeError, match="is closed"), client.websocket("/"):
        pass


def test_what_is_given_shows_no_secrets():
    world = VirtualWorld()
    world.on("/", steps.websocket())
    with world.client().websocket("/?token=s3cret") as socket:
        assert repr(socket) == "WebSocket(101 GET http://far.side/?token=REDACTED, 1 attempt(s))"
        assert "1" in socket.explain()
    assert AsyncClient.websocket.__doc__


def test_a_far_side_without_the_extra_says_which_one(monkeypatch):
    monkeypatch.delitem(sys.modules, "resilient_client.testing.talk", raising=False)
    monkeypatch.delattr("resilient_client.testing.talk", raising=False)
    monkeypatch.setitem(sys.modules, "wsproto.connection", None)
    with pytest.raises(ImportError, match=r"needs wsproto: install resilient-client\[testing\]"):
        steps.websocket()
