"""Redirects, bodies and safety, line by line."""

import asyncio
import contextlib
import tracemalloc

import pytest
from helpers import kinds, policy, statuses

from resilient_client import AsyncClient, Client, FailureKind, Policy, StopReason
from resilient_client.testing import FaultServer
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.steps import (
    bad_chunk,
    contradicting_lengths,
    cut_gzip,
    deep_json,
    deflated,
    echo,
    gzip_bomb,
    gzipped,
    http09,
    huge_headers,
    length_and_chunked,
    ok,
    redirect,
    reset,
    second_answer,
    short_body,
    status,
    two_gzip_members,
    wrong_encoding,
)

FOLLOW = policy(redirects=10)
MIB = 1024 * 1024


def seen_headers(world, path):
    return next(seen.headers for seen in world.journal.requests if seen.path == path)


def test_redirects_are_off_by_default_and_a_3xx_is_a_success(world):
    world.on("/", redirect("/there"))
    result = world.client().get("/")
    assert (result.ok, result.status, result.headers["location"]) == (True, 302, "/there")


def test_redirects_are_followed_when_allowed_inside_one_call(world):
    world.on("/a", redirect("/b"))
    world.on("/b", redirect("c?d=1", 307))
    world.on("/c", ok())
    result = world.client(policy=FOLLOW).get("/a")
    assert statuses(result) == [302, 307, 200]
    assert result.url.endswith("/c?d=1")
    world.journal.assert_connections(1)


def test_a_host_of_the_callers_own_goes_along_inside_an_origin(world):
    world.on("/a", redirect("/b"))
    world.on("/b", ok())
    assert world.client(policy=FOLLOW, headers={"Host": "shop.example"}).get("/a").ok
    asked = [[value for name, value in one.headers.pairs if name.lower() == "host"] for one in world.journal.requests]
    assert asked == [["shop.example"], ["shop.example"]]


def test_more_hops_than_allowed_are_refused(world):
    for number in range(12):
        world.on(f"/{number}", redirect(f"/{number + 1}"))
    result = world.client(policy=policy(redirects=3)).get("/0")
    assert (result.kind, result.stopped) == (FailureKind.REDIRECT, StopReason.NOT_RETRYABLE)
    world.journal.assert_requests(4)


def test_a_loop_is_refused(world):
    world.on("/a", redirect("/b"))
    world.on("/b", redirect("/a"))
    result = world.client(policy=FOLLOW).get("/a")
    assert result.kind is FailureKind.REDIRECT
    assert "loop" in result.message
    world.journal.assert_requests(2)


def test_a_loop_that_the_first_url_is_not_in_is_refused(world):
    world.on("/a", redirect("/b"))
    world.on("/b", redirect("/c"))
    world.on("/c", redirect("/b"))
    result = world.client(policy=FOLLOW).get("/a")
    assert result.kind is FailureKind.REDIRECT
    assert "loop" in result.message
    world.journal.assert_requests(3)


def test_a_post_may_be_sent_on_to_see_its_own_url(world):
    world.on("POST /orders", redirect("/orders", 303))
    world.on("GET /orders", ok())
    assert statuses(world.client(policy=FOLLOW).post("/orders", json={"a": 1})) == [303, 200]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirected_head_stays_one(world, code):
    world.on("/a", redirect("/b", code))
    world.on("/b", ok())
    assert world.client(policy=FOLLOW).request("HEAD", "/a").ok
    assert [request.method for request in world.journal.requests] == ["HEAD", "HEAD"]


def test_what_breaks_behind_a_redirect_was_sent_and_is_not_sent_again_for_free(world):
    world.on("/a", redirect("/b", 307))
    world.on("/b", reset())
    result = world.client(policy=policy(redirects=10, retry=None)).get("/a")
    assert (result.kind, result.sent) == (FailureKind.RESET, True)
    assert [request.path for request in world.journal.requests] == ["/a", "/b"]


def test_a_post_whose_redirect_leads_nowhere_may_have_had_an_effect(wire):
    with FaultServer() as other:
        gone = other.url
    wire.on("/a", redirect(f"{gone}/b", 307))
    result = wire.client(policy=FOLLOW).post("/a", json={"a": 1})
    assert (result.kind, result.sent, result.stopped) == (FailureKind.CONNECT, True, StopReason.NOT_IDEMPOTENT)
    wire.journal.assert_requests(1)


@pytest.mark.parametrize(("code", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_which_method_a_redirected_post_has(world, code, method):
    world.on("/a", redirect("/b", code))
    world.on("/b", ok())
    assert world.client(policy=FOLLOW).post("/a", json={"a": 1}).ok
    arrived = world.journal.requests[-1]
    assert (arrived.method, arrived.body) == (method, b'{"a":1}' if method == "POST" else b"")
    assert ("content-type" in arrived.headers) == (method == "POST")


def test_across_origins_only_harmless_headers_go_along(wire):
    secrets = {
        "Authorization": "Bearer s3cret",
        "Cookie": "session=s3cret",
        "Proxy-Authorization": "s3cret",
        "X-Api-Key": "s3cret",
        "X-Internal-Token": "s3cret",
        "Host": "s3cret.example",
        "Accept": "text/plain",
    }
    with FaultServer() as other:
        other.on("/", ok())
        wire.on("/", redirect(f"{other.url}/"))
        home = other.url
        assert wire.client(policy=FOLLOW, headers=secrets).get("/").ok
        (arrived,) = other.journal.requests
    assert "s3cret" not in str(arrived.headers.pairs)
    assert arrived.headers["accept"] == "text/plain"
    assert arrived.headers["host"] == home.removeprefix("http://")


def test_across_origins_auth_does_not_go_along(wire):
    with FaultServer() as other:
        other.on("/", ok())
        wire.on("/", redirect(f"{other.url}/"))
        assert wire.client(policy=FOLLOW, auth=("user", "s3cret")).get("/").ok
        assert "authorization" not in other.journal.requests[0].headers
    assert "authorization" in wire.journal.requests[0].headers


def test_from_https_to_http_is_refused():
    with FaultServer(tls="valid") as server:
        server.on("/", redirect("http://127.0.0.1:1/"))
        with Client("secure", base_url=server.url, verify=server.client_context(), policy=FOLLOW) as client:
            result = client.get("/")
    assert (result.kind, kinds(result)) == (FailureKind.REDIRECT, [None, "redirect"])


@pytest.mark.parametrize(
    "target",
    [
        "http://user:pw@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http:///x",
        "ftp://host/x",
        "http://[::1",
        "http://host:\u00b2/",
        "http://host:0000065617/",
    ],
)
def test_hostile_targets_are_refused_before_anything_is_sent(world, target):
    world.on("/", redirect(target))
    result = world.client(policy=FOLLOW).get("/")
    assert result.kind is FailureKind.REDIRECT
    assert "pw" not in result.explain()
    world.journal.assert_requests(1)


def test_max_body_bounds_plain_bytes(world):
    world.on("/", status(200, b"x" * 1001))
    client = world.client(policy=policy(max_body=1000))
    result = client.get("/")
    assert (result.kind, result.stopped) == (FailureKind.TOO_LARGE, StopReason.NOT_RETRYABLE)


def test_a_body_of_exactly_the_cap_is_fine(world):
    world.on("/", status(200, b"x" * 1000))
    assert world.client(policy=policy(max_body=1000)).get("/").ok


def test_max_body_bounds_decoded_bytes_and_a_bomb_costs_no_more_than_the_cap_and_one_mib(wire):
    wire.on("/", gzip_bomb(256 * MIB))
    client = wire.client(policy=policy(max_body=4 * MIB))
    client.get("/text")
    tracemalloc.start()
    result = client.get("/")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.kind is FailureKind.TOO_LARGE
    growth, server = 4 * MIB // 8, 1.5 * MIB  # what a buffer is ahead of itself, untouched; the server's zeros and zlib
    assert peak < 4 * MIB + MIB + growth + server


def test_the_connection_of_a_body_that_is_too_large_is_closed(world):
    world.on("/", status(200, b"x" * 300_000), then=ok())
    client = world.client(policy=policy(max_body=1000))
    client.get("/")
    assert client.get("/").ok
    world.journal.assert_connections(2)


@pytest.mark.parametrize("step", [gzipped(b"hello"), deflated(b"hello"), deflated(b"hello", raw=True)])
def test_known_codings_are_decoded(world, step):
    world.on("/", step)
    assert world.client().get("/").content == b"hello"


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (short_body(), "truncated"),
        (bad_chunk(), "protocol"),
        (cut_gzip(), "decode"),
        (two_gzip_members(), "decode"),
        (wrong_encoding(), "decode"),
        (wrong_encoding("br"), "decode"),
        (http09(), "protocol"),
        (contradicting_lengths(), "protocol"),
        (length_and_chunked(), "protocol"),
        (huge_headers(), "too_large"),
    ],
)
def test_what_is_never_a_success(wire, step, kind):
    wire.on("/", step)
    result = wire.client(policy=Policy(retry=None)).get("/")
    assert str(result.kind) == kind


def test_a_forged_second_answer_does_not_reach_the_next_caller(wire):
    wire.on("/", second_answer(b"forged"), then=ok())
    client = wire.client(policy=Policy(retry=None))
    assert client.get("/").content == b"ok"
    assert client.get("/").json() == {"status": "ok"}
    wire.journal.assert_connections(2)


@pytest.mark.parametrize(
    "body", [status(503, b"not gzip", headers=[("Content-Encoding", "gzip")]), status(503, b"x" * 99)]
)
def test_a_failure_whose_body_is_no_good_is_still_what_its_status_says(world, body):
    world.on("/", body)
    client = world.client(policy=policy(max_body=50, retry=None))
    assert client.get("/").kind is FailureKind.SERVER_ERROR
    (circuit,) = client.state().circuits.values()
    assert circuit.failures == 1


@pytest.mark.parametrize("body", [deep_json(), status(200, b"\xff\xfe{"), status(200, b"{"), status(200, b"")])
def test_json_that_is_none_is_a_decode_failure(world, body):
    from resilient_client import CallFailed

    world.on("/", body)
    result = world.client().get("/")
    assert result.ok
    with pytest.raises(CallFailed) as failed:
        result.json()
    assert failed.value.failure.kind is FailureKind.DECODE
    assert world.client().get("/", decode=dict).kind is FailureKind.DECODE


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", b"a\rb"])
def test_header_values_with_line_breaks_or_nul_are_refused(world, value):
    with pytest.raises(ValueError, match=r"headers\['X-A'\]: the value must not contain CR, LF or NUL"):
        world.client().get("/", headers={"X-A": value})
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        world.client(headers={"X-A": value})
    world.journal.assert_requests(0)


@pytest.mark.parametrize("name", ["a b", "a:b", "a\r\nb", "", "ä"])
def test_header_names_that_are_no_tokens_are_refused(world, name):
    with pytest.raises(ValueError, match="not a header name"):
        world.client().get("/", headers={name: "x"})


def test_an_idempotency_key_with_a_line_break_is_refused(world):
    with pytest.raises(ValueError, match="idempotency_key"):
        world.client().post("/", idempotency_key="a\r\nX: y")


@pytest.mark.parametrize(
    "url",
    [
        *("../secret", "/../secret", "a/../../secret", "%2e%2e/secret", "a/%2E%2E/%2e%2e/x", "..\\secret"),
        *("//evil.example/x", "http://evil.example/x", "https://far.side/api/x", "http://far.side:81/api/x"),
        *("http://far.side/other", "http://far.side/apix", "\\\\evil.example\\x"),
    ],
)
def test_a_call_does_not_leave_its_base_url(virtual, url):
    client = virtual.client(base_url="http://far.side/api")
    with pytest.raises(ValueError, match=r"base_url"):
        client.get(url)
    virtual.journal.assert_requests(0)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("x", "/api/x"),
        ("/x", "/api/x"),
        ("", "/api"),
        ("x/../y", "/api/y"),
        ("?a=1", "/api?a=1"),
        ("http://far.side/api/x", "/api/x"),
        ("a b", "/api/a%20b"),
        ("./x:y", "/api/x:y"),
    ],
)
def test_relative_urls_are_joined_to_the_base(virtual, url, target):
    virtual.on(target.partition("?")[0], ok())
    assert virtual.client(base_url="http://far.side/api").get(url).ok
    assert virtual.journal.requests[0].target == target


def test_another_origin_is_called_only_when_allowed(wire):
    with FaultServer() as other:
        other.on("/x", ok())
        assert wire.client(allow_other_origins=True).get(f"{other.url}/x").ok


def test_the_environment_is_not_trusted_unless_asked(wire, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    wire.on("/", ok())
    assert wire.client().get("/").ok
    assert wire.client(trust_env=True, policy=Policy(retry=None)).get("/").kind is FailureKind.CONNECT


@pytest.mark.parametrize(
    "url",
    [
        "http://host:0/",
        "http://host:70000/",
        "http://host:x/",
        "http://",
        "http:///x",
        "http://u:p@host/",
        "ftp://h/",
        "x",
    ],
)
def test_urls_that_cannot_be_meant_are_refused_before_anything_is_sent(url):
    with Client("any") as client, pytest.raises(ValueError, match="url=") as refused:
        client.get(url)
    assert "u:p" not in str(refused.value)


def test_an_unclean_tls_close_is_never_a_whole_body():
    """A body delimited by close needs the TLS goodbye; without it anyone could cut it."""
    import socket
    import threading

    trusting = CERTIFICATES.client_context()
    context = CERTIFICATES.server_context("valid", http2=False, client_certificate=False)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(clean):
        raw, _ = listener.accept()
        tls = context.wrap_socket(raw, server_side=True)
        tls.recv(65536)
        tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nthe whole body?")
        with tls, contextlib.suppress(OSError):  # the client hangs up on the goodbye
            if clean:
                tls.unwrap()

    for clean, kind in ((True, None), (False, "truncated")):
        for which in (Client, AsyncClient):
            thread = threading.Thread(target=serve, args=(clean,))
            thread.start()
            url = f"https://localhost:{listener.getsockname()[1]}/"
            result = _get(which, url, trusting)
            thread.join()
            assert getattr(result, "kind", None) == kind
    listener.close()


def _get(which, url, context):
    options = {"verify": context, "policy": Policy(retry=None)}
    if which is Client:
        with Client("tls", **options) as client:
            return client.get(url)

    async def go():
        async with AsyncClient("tls", **options) as client:
            return await client.get(url)

    return asyncio.run(go())


def test_params_are_added_to_the_urls_own(wire):
    wire.on("/echo", echo())
    seen = wire.client().get("/echo?a=1", params={"b": ["2", "3"], "c": "ä &"}).json()
    assert seen["target"] == "/echo?a=1&b=2&b=3&c=%C3%A4+%26"
