"""The address guard on every way to a server: `allow_private=False` connects to public addresses or not at all.

Where calls go through, 127.0.0.1 counts as public, since the paired servers are there; all else stays what it is.
"""

import asyncio
import socket

import httpx
import pytest
from proxy_side import running

from resilient_client import (
    AsyncClient,
    Breaker,
    Client,
    ConfigError,
    FailureKind,
    Policy,
    Retry,
    StopReason,
    load_policies,
)
from resilient_client.events import ExchangeAnswered
from resilient_client.testing import FaultServer, VirtualWorld, steps
from resilient_client.wire import guard
from resilient_client.wire.public_addresses import why_not_public
from resilient_client.wire.sockets import Address, resolve

GUARDED = Policy(allow_private=False, retry=None)
OPEN = Policy(retry=None)


@pytest.fixture
def loopback_is_public(monkeypatch):
    """Let 127.0.0.1 pass, and nothing else that would not."""
    monkeypatch.setattr(guard, "why_not_public", lambda one: None if one == "127.0.0.1" else why_not_public(one))


@pytest.fixture
def names(monkeypatch):
    """Names and their addresses; a list of lists changes with each lookup."""
    known: dict[str, list] = {}
    lookups = []

    def look_up(name):
        host, port = name
        lookups.append(host)
        found = known[host].pop(0) if isinstance(known[host][0], list) else known[host]
        families = {False: socket.AF_INET, True: socket.AF_INET6}
        return [Address(families[":" in one], (one, port, 0, 0) if ":" in one else (one, port)) for one in found]

    monkeypatch.setattr(resolve.resolver, "_look_up", look_up)
    known["lookups"] = lookups
    return known


def assert_blocked(result, *said):
    assert (result.kind, result.sent, result.stopped) == (FailureKind.BLOCKED, False, StopReason.NOT_RETRYABLE)
    assert len(result.attempts) == 1
    for one in said:
        assert one in result.message


# Which addresses.

SPELLINGS = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0", "0.0.0.0"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]"),
    *("localhost", "LOCALHOST", "127\u30020\u30020\u30021", "[64:ff9b::127.0.0.1]", "[fe80::1]", "10.0.0.1"),
    *("169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "2852039166", "0xa9fea9fe"),
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_an_address_that_is_not_public_gets_through(wire, host):
    port = wire.url.rpartition(":")[2]
    assert_blocked(wire.client(base_url=f"http://{host}:{port}", policy=GUARDED).get("/"), "allow_private=False")
    wire.journal.assert_connections(0)


@pytest.mark.parametrize("host", ["127.0.0.1.", "localhost."])
def test_a_dot_at_the_end_opens_no_way(wire, host):
    port = wire.url.rpartition(":")[2]
    result = wire.client(base_url=f"http://{host}:{port}", policy=GUARDED).get("/")
    assert result.kind in {FailureKind.BLOCKED, FailureKind.DNS}  # as the system's resolver likes it
    wire.journal.assert_connections(0)


def test_by_default_private_addresses_are_allowed(wire):
    assert wire.client().get("/").ok


def test_what_an_address_is_stands_in_the_message(wire):
    result = wire.client(base_url="http://localhost:1", policy=GUARDED).get("/")
    assert_blocked(result, "localhost is ", "which is loopback")


def test_only_the_public_addresses_of_a_name_are_connected_to(wire, names, loopback_is_public):
    names["both.example"] = ["127.0.0.2", "::1", "10.0.0.1", "127.0.0.1"]
    port = int(wire.url.rpartition(":")[2])
    told = []
    client = wire.client(base_url=f"http://both.example:{port}", policy=GUARDED, listeners=[told.append])
    with socket.create_server(("127.0.0.2", port)) as private:
        assert client.get("/").ok
        private.setblocking(False)
        with pytest.raises(BlockingIOError):
            private.accept()
    assert names["lookups"] == ["both.example"]
    assert [event.peer[0] for event in told if isinstance(event, ExchangeAnswered)] == ["127.0.0.1"]


def test_a_name_without_a_public_address_is_refused(wire, names):
    names["none.example"] = ["127.0.0.1", "fd00::1"]
    assert_blocked(wire.client(base_url="http://none.example", policy=GUARDED).get("/"), "127.0.0.1", "fd00::1")


def test_a_name_is_looked_up_once_and_what_was_judged_is_what_is_connected_to(wire, names, loopback_is_public):
    names["rebinding.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    port = wire.url.rpartition(":")[2]
    client = wire.client(base_url=f"http://rebinding.example:{port}", policy=GUARDED)
    assert client.get("/").ok
    assert names["lookups"] == ["rebinding.example"]
    wire.close_idle()
    assert_blocked(client.get("/"), "127.0.0.2")


# Ways there.


def test_a_redirect_to_an_address_that_is_not_public_is_not_followed(wire, loopback_is_public):
    policy = Policy(allow_private=False, redirects=3)
    wire.on("/a", steps.redirect(wire.url.replace("127.0.0.1", "127.0.0.2") + "/b"))
    result = wire.client(policy=policy).get("/a")
    assert (result.kind, result.sent) == (FailureKind.BLOCKED, True)  # the call was sent, to where it was meant to go
    assert [attempt.kind for attempt in result.attempts] == [None, FailureKind.BLOCKED]
    wire.journal.assert_requests(1)


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://10.0.0.1/"])
def test_a_redirect_to_an_address_is_judged_in_memory_as_well(virtual, target):
    virtual.on("/a", steps.redirect(target))
    virtual.on("/latest/meta-data/", steps.ok("secret"))
    virtual.on("/", steps.ok())
    assert virtual.client(policy=Policy(redirects=1)).get("/a").ok
    result = virtual.client(policy=Policy(redirects=1, allow_private=False)).get("/a")
    assert result.kind is FailureKind.BLOCKED
    virtual.journal.assert_requests(3)


def test_a_hop_of_an_auth_flow_is_judged(wire, loopback_is_public):
    elsewhere = wire.url.replace("127.0.0.1", "127.0.0.2")

    class Token(httpx.Auth):
        def auth_flow(self, request):
            yield httpx.Request("GET", f"{elsewhere}/token")
            yield request

    result = wire.client(policy=GUARDED, auth=Token()).get("/")
    assert_blocked(result, "127.0.0.2")
    wire.journal.assert_requests(0)


def test_a_stream_is_judged(world):
    client = world.client(base_url="http://127.0.0.1:1", policy=GUARDED)
    assert_blocked(client.stream("/").result)


def test_a_connection_opened_without_the_guard_does_not_carry_a_call_with_it(wire):
    client = wire.client(policy=OPEN)
    assert client.get("/").ok
    assert_blocked(client.get("/", policy=GUARDED), "127.0.0.1")
    assert client.get("/").ok
    wire.journal.assert_connections(1)


def test_a_call_with_the_guard_uses_its_own_connections_again(wire, loopback_is_public):
    client = wire.client(policy=GUARDED)
    assert all(client.get("/").ok for _ in range(3))
    wire.journal.assert_connections(1)


def test_a_shared_http2_connection_opened_without_the_guard_does_not_carry_a_call_with_it():
    async def scene(server):
        options = {"base_url": server.url, "verify": server.client_context(), "http2": True, "policy": OPEN}
        async with AsyncClient("h2", **options) as client:
            assert (await client.get("/")).ok
            both = await asyncio.gather(client.get("/"), client.get("/", policy=GUARDED))
            assert both[0].ok
            assert_blocked(both[1], "127.0.0.1")

    with FaultServer(http2=True) as server:
        asyncio.run(scene(server))
        server.journal.assert_connections(1)


def call(facade, url, **options):
    if facade is Client:
        with Client("ways", **options) as client:
            return client.get(url)

    async def go():
        async with AsyncClient("ways", **options) as client:
            return await client.get(url)

    return asyncio.run(go())


both = pytest.mark.parametrize("facade", [Client, AsyncClient])


@both
@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("host", ["localhost", "2130706433", "public.example"])
def test_a_name_given_to_a_proxy_cannot_be_judged(facade, scheme, host):
    with running() as proxy:
        result = call(facade, f"http://{host}:1/", policy=GUARDED, proxy=f"{scheme}://127.0.0.1:{proxy.port}")
        assert proxy.seen == []
    assert_blocked(result, f"the proxy would look {host} up", "have the proxy refuse private addresses")


@both
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_an_address_given_to_a_proxy_is_judged(facade, scheme, loopback_is_public):
    with FaultServer() as server, running() as proxy:
        options = {"policy": GUARDED, "proxy": f"{scheme}://127.0.0.1:{proxy.port}"}
        assert call(facade, server.url, **options).ok
        assert_blocked(call(facade, f"http://127.0.0.2:{server.port}/", **options), "127.0.0.2 is loopback")
        assert len(proxy.seen) == 1


@both
def test_the_proxy_itself_is_the_operators_choice(facade, monkeypatch):
    monkeypatch.setattr(guard, "why_not_public", lambda one: None if one == "8.8.8.8" else why_not_public(one))
    with running(refuse=403) as proxy:
        result = call(facade, "http://8.8.8.8/", policy=GUARDED, proxy=f"http://127.0.0.1:{proxy.port}")
    assert result.status == 403


@both
def test_a_unix_socket_has_no_address_to_judge(facade, tmp_path):
    with FaultServer(uds=str(tmp_path / "s"), strict=False) as server:
        assert_blocked(call(facade, "http://orders/", policy=GUARDED, uds=str(server.uds)), "unix socket")
        server.journal.assert_connections(0)


@both
def test_a_foreign_transport_is_refused_when_the_client_is_made(facade):
    mock = httpx.MockTransport(lambda _: httpx.Response(200))
    for options in ({"policy": GUARDED}, {"routes": {"GET /a": GUARDED}}):
        with pytest.raises(ConfigError, match="allow_private=False: the addresses .* cannot be judged"):
            facade("foreign", transport=mock, **options)


@both
def test_a_call_that_asks_for_the_guard_is_not_given_to_a_foreign_transport(facade):
    called = []

    def answer(request):
        called.append(request)
        return httpx.Response(200)

    async def go():
        async with AsyncClient("foreign", transport=httpx.MockTransport(answer)) as client:
            return await client.get("http://8.8.8.8/", policy=GUARDED)

    if facade is AsyncClient:
        result = asyncio.run(go())
    else:
        with Client("foreign", transport=httpx.MockTransport(answer)) as client:
            result = client.get("http://8.8.8.8/", policy=GUARDED)
    assert_blocked(result, "cannot be judged")
    assert called == []


def test_a_wire_that_says_that_it_judges_is_given_the_limits():
    seen = []

    class Judging:
        judges_addresses = True

        async def send(self, request, limits, *, fresh, hops):
            seen.append(limits.public_only)
            raise guard.blocked("not today")

        async def close(self):
            pass

    with Client("own", base_url="http://x", wire=Judging(), policy=GUARDED) as client:
        assert_blocked(client.get("/"), "not today")
        client.get("/", policy=OPEN)
    assert seen == [True, False]


# What it means to the other policies.


def test_a_blocked_call_says_nothing_about_the_server_and_is_not_retried_by_any_strategy(world):
    eager = Retry(retry=lambda state: True, wait_initial=0, wait_max=0)
    policy = Policy(allow_private=False, breaker=Breaker(consecutive=1), retry=eager)
    client = world.client(base_url="http://127.0.0.1:1", policy=policy)
    for _ in range(3):
        assert_blocked(client.get("/"))
    assert all(circuit.state == "closed" for circuit in client.state().circuits.values())


def test_it_can_be_set_for_a_route_and_told_of():
    tables = {"base_url": "http://10.0.0.1", "routes": [{"match": "GET /hook", "allow_private": False}]}
    policies = load_policies({"clients": {"hooks": tables}}, environment={})
    assert "connections go to public addresses only" in str(policies.explain("hooks", "GET", "/hook"))
    assert "public addresses" not in str(policies.explain("hooks"))
    world = VirtualWorld()
    world.on("/other", steps.ok())
    client = world.client("hooks", policies=policies)
    assert client.get("/other").ok
    assert_blocked(client.get("/hook"), "10.0.0.1 is private")
