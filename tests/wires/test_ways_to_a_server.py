"""TLS, certificates, proxies, unix sockets and HTTP/2 over every wire that has them."""

import asyncio
import tempfile

import httpx
import pytest
from proxy_side import running

from resilient_client import AsyncClient, FailureKind, Policy, Timeouts
from resilient_client.testing import FaultServer, steps

ONCE = Policy(retry=None, breaker=None)
HASTY = Policy(retry=None, breaker=None, timeouts=Timeouts(connect=2, read=10, total=0.3))


@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong-host"])
def test_a_bad_certificate_is_tls_and_is_not_asked_for_again(world, kind):
    with FaultServer(tls=kind) as server:
        result = world.client(base_url=server.url, verify=server.client_context()).get("/")
    assert (result.kind, len(result.attempts), result.sent) == (FailureKind.TLS, 1, False), result.explain()


def test_a_good_certificate_is_taken_and_the_connection_kept(world):
    with FaultServer(tls="valid") as server:
        caller = world.client(base_url=server.url, verify=server.client_context())
        assert [caller.get("/text").text for _ in range(3)] == ["ok"] * 3
        server.journal.assert_connections(1)


def test_nobody_is_trusted_by_default(world):
    with FaultServer(tls="valid") as server:
        assert world.client(base_url=server.url, policy=ONCE).get("/text").kind is FailureKind.TLS


def test_anybody_is_trusted_when_told_so(world):
    with FaultServer(tls="self-signed") as server:
        with pytest.warns(UserWarning, match="verify=False"):
            caller = world.client(base_url=server.url, verify=False)
        assert caller.get("/text").text == "ok"


def test_a_client_certificate_is_shown(world):
    with FaultServer(tls="valid", client_certificate=True) as server:
        cert = tuple(map(str, server.client_cert_files()))
        assert world.client(base_url=server.url, verify=server.client_context(), cert=cert).get("/text").text == "ok"


def test_plain_http_goes_through_a_proxy(world):
    with running() as proxy:
        world.client(proxy=f"http://ada:s3cret@127.0.0.1:{proxy.port}").get("/text").unwrap()
        assert proxy.seen[0].startswith("GET http://127.0.0.1:")
        assert proxy.authorizations[0].lower().endswith("basic ywrhonmzy3jlda==")


def test_https_goes_through_a_tunnel(world):
    with FaultServer(tls="valid") as server, running() as proxy:
        caller = world.client(
            base_url=server.url, verify=server.client_context(), proxy=f"http://ada:s3cret@127.0.0.1:{proxy.port}"
        )
        assert caller.get("/text").text == "ok"
        assert "proxy-authorization" not in server.journal.requests[0].headers
        assert proxy.seen == [f"CONNECT localhost:{server.port} HTTP/1.1"]
        assert proxy.authorizations[0].lower().endswith("basic ywrhonmzy3jlda==")


def test_the_environment_s_proxy_is_taken_when_it_is_trusted(world, monkeypatch):
    with running() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        assert world.client(trust_env=True).get("/text").text == "ok"
        assert len(proxy.seen) == 1


def test_connections_come_from_a_local_address(world):
    assert world.client(local_address="127.0.0.1").get("/text").text == "ok"
    failure = world.client(local_address="192.0.2.1", policy=ONCE).get("/text")
    assert failure.kind in {FailureKind.LOCAL, FailureKind.CONNECT}
    assert not failure.sent


def test_a_unix_socket(world):
    if "pyreqwest" in world.name:
        pytest.skip("it has none, and says so")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        with FaultServer(uds=path):
            assert world.client(base_url="http://orders", uds=path).get("/text").text == "ok"


def test_an_auth_flow_of_two_requests(world):
    world.on("GET /private", steps.require_digest())
    result = world.client(auth=httpx.DigestAuth("ada", "s3cret")).get("/private")
    assert [attempt.status for attempt in result.attempts] == [401, 200]


def test_an_auth_that_fails_is_ours(world):
    def broken(request):
        raise RuntimeError("no key")

    failure = world.client(auth=broken, policy=ONCE).get("/text")
    assert (failure.kind, failure.sent) == (FailureKind.LOCAL, False)
    assert isinstance(failure.cause, RuntimeError)


def test_what_is_said_of_a_failure_has_no_secret_of_the_url_in_it(world):
    world.on("/", steps.garbage())
    for path in ("/?token=s3cret", "http://127.0.0.1:9/?token=s3cret"):
        failure = world.client(policy=ONCE, allow_other_origins=True).get(path)
        assert "s3cret" not in failure.explain() + repr(failure) + str(failure.cause)


def test_addresses_are_judged_over_aiohttp():
    async def kinds(url):
        guarded = Policy(retry=None, allow_private=False)
        async with AsyncClient("webhooks", wire="aiohttp", policy=guarded) as client:
            return (await client.get(url)).kind

    with FaultServer() as server:
        assert asyncio.run(kinds(server.url)) is FailureKind.BLOCKED
        assert asyncio.run(kinds(server.url.replace("127.0.0.1", "localhost"))) is FailureKind.BLOCKED
        server.journal.assert_connections(0)


def test_http2_over_pyreqwest_shares_a_connection_and_gives_each_call_its_time(monkeypatch):
    async def go(server):
        async with AsyncClient("orders", base_url=server.url, wire="pyreqwest", http2=True) as client:
            await client.get("/text")
            slow = asyncio.ensure_future(client.get("/slow", policy=ONCE))
            late = await client.get("/hang", policy=HASTY)
            return late, await slow

    with FaultServer(http2=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority_file()))
        server.on("/slow", steps.text(after=0.6))
        server.on("/hang", steps.hang())
        late, slow = asyncio.run(go(server))
        assert late.kind is FailureKind.DEADLINE
        assert slow.text == "ok"
        server.journal.assert_connections(1)
