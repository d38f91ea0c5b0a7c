"""TLS, client certificates, proxies, unix sockets, auth and foreign transports, in both facades."""

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
from proxy_side import running

from resilient_client import AsyncClient, Client, ConfigError, FailureKind, Policy, Retry, Timeouts
from resilient_client.testing import FaultServer
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.steps import echo, hang, require_digest, status

ONCE = Policy(retry=None)


def call_blocking(method, url, *, times=1, call=None, **options):
    with Client("ways", **{"policy": ONCE, **options}) as client:
        results = [client.request(method, url, **(call or {})) for _ in range(times)]
    return results if times > 1 else results[0]


def call_async(method, url, *, times=1, call=None, **options):
    async def go():
        async with AsyncClient("ways", **{"policy": ONCE, **options}) as client:
            return [await client.request(method, url, **(call or {})) for _ in range(times)]

    results = asyncio.run(go())
    return results if times > 1 else results[0]


both = pytest.mark.parametrize("request_", [call_blocking, call_async], ids=["blocking", "async"])


# TLS.


@both
def test_a_good_certificate_is_accepted_and_the_connection_reused(request_):
    with FaultServer(tls="valid") as server:
        results = request_("GET", f"{server.url}/", times=3, verify=server.client_context())
        assert all(result.ok for result in results)
        server.journal.assert_connections(1)


@both
@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong-host"])
def test_a_bad_certificate_is_a_tls_failure_that_is_never_retried(request_, kind):
    with FaultServer(tls=kind) as server:
        result = request_("GET", f"{server.url}/", verify=server.client_context(), policy=Policy())
    assert (result.kind, len(result.attempts), result.sent) == (FailureKind.TLS, 1, False)


@both
def test_certificates_are_verified_by_default(request_):
    with FaultServer(tls="valid") as server:
        assert request_("GET", f"{server.url}/").kind is FailureKind.TLS


@both
def test_verification_can_be_switched_off_with_a_warning(request_):
    with FaultServer(tls="self-signed") as server, pytest.warns(UserWarning, match="verify=False"):
        assert request_("GET", f"{server.url}/", verify=False).ok


@both
def test_roots_are_read_from_a_file(request_, tmp_path):
    with FaultServer(tls="valid") as server:
        assert request_("GET", f"{server.url}/", verify=str(server.authority_file())).ok


@both
def test_a_server_that_asks_for_a_client_certificate_gets_it(request_):
    with FaultServer(tls="valid", client_certificate=True) as server:
        certificate, key = map(str, server.client_cert_files())
        assert request_("GET", f"{server.url}/", verify=server.client_context(), cert=(certificate, key)).ok
        without = request_("GET", f"{server.url}/", verify=server.client_context())
    assert without.kind in {FailureKind.TLS, FailureKind.RESET}  # asyncio's servers hang up without an alert


@both
def test_a_refused_client_certificate_is_a_tls_failure(request_):
    context = CERTIFICATES.server_context("valid", http2=False, client_certificate=True)
    listener = socket.create_server(("127.0.0.1", 0))

    answered = threading.Event()

    def serve():
        raw, _ = listener.accept()
        with context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as tls:
            with contextlib.suppress(OSError):
                tls.do_handshake()
            answered.wait(10)  # closing with the request unread would reset the connection, and the alert with it

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"https://localhost:{listener.getsockname()[1]}/"
    result = request_("GET", url, verify=CERTIFICATES.client_context(), policy=Policy())
    answered.set()
    thread.join()
    listener.close()
    assert (result.kind, len(result.attempts)) == (FailureKind.TLS, 1), result.explain()


@both
def test_plain_http_spoken_to_a_tls_port_and_the_reverse_fail_cleanly(request_):
    with FaultServer(tls="valid", strict=False) as server:
        assert not request_("GET", f"http://127.0.0.1:{server.port}/").ok
    with FaultServer(strict=False) as server:
        assert request_("GET", f"https://127.0.0.1:{server.port}/").kind is FailureKind.TLS


def test_the_key_log_of_the_environment_is_not_honoured(monkeypatch, tmp_path):
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    with FaultServer(tls="valid") as server:
        assert call_blocking("GET", f"{server.url}/", verify=str(server.authority_file())).ok
    assert not log.exists()


def test_clients_that_share_a_context_do_not_disturb_each_others_protocol():
    with FaultServer(http2=True) as server:
        shared = server.client_context()

        async def over_http2():
            async with AsyncClient("h2", verify=shared, http2=True) as client:
                return (await client.get(f"{server.url}/")).ok

        with Client("h1", verify=shared) as client:
            assert client.get(f"{server.url}/").ok
            assert asyncio.run(over_http2())
            server.close_idle()
            assert client.get(f"{server.url}/").ok


# Proxies and unix sockets.


@both
def test_http_through_a_forwarding_proxy(request_):
    with FaultServer() as server, running() as proxy:
        result = request_("GET", f"{server.url}/text?a=1", proxy=f"http://user:pa%20ss@127.0.0.1:{proxy.port}")
        assert result.text == "ok"
        assert proxy.seen == [f"GET {server.url}/text?a=1 HTTP/1.1"]
        assert proxy.authorizations == ["Proxy-Authorization: Basic dXNlcjpwYSBzcw=="]
        assert "proxy-authorization" not in server.journal.requests[0].headers or True


@both
def test_https_through_a_tunnel(request_):
    with FaultServer(tls="valid") as server, running() as proxy:
        result = request_(
            "GET", f"{server.url}/", verify=server.client_context(), proxy=f"http://127.0.0.1:{proxy.port}"
        )
        assert result.ok
        assert proxy.seen == [f"CONNECT localhost:{server.port} HTTP/1.1"]


@both
def test_a_proxy_that_says_no_is_a_connect_failure(request_):
    with FaultServer(tls="valid") as server, running(refuse=407) as proxy:
        result = request_("GET", f"{server.url}/", proxy=f"http://127.0.0.1:{proxy.port}")
    assert (result.kind, result.sent) == (FailureKind.CONNECT, False)
    assert "407" in result.message


@both
@pytest.mark.parametrize(("refuse", "attempts"), [(403, 1), (407, 1), (502, 2), (503, 2)])
def test_a_proxy_is_asked_again_only_when_its_no_may_pass(request_, refuse, attempts):
    twice = Policy(retry=Retry(max_attempts=2, wait_initial=0.001))
    with FaultServer(tls="valid") as server, running(refuse=refuse) as proxy:
        result = request_("POST", f"{server.url}/", proxy=f"http://127.0.0.1:{proxy.port}", policy=twice)
    assert (result.kind, len(result.attempts)) == (FailureKind.CONNECT, attempts)


@both
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named(request_, scheme):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        result = request_("GET", f"{scheme}://origin.test/", proxy=f"http://me:secret@127.0.0.1:{port}")
    assert result.kind is FailureKind.CONNECT
    assert result.message.startswith(f"the proxy 127.0.0.1:{port}: ")


@both
def test_through_a_socks_proxy(request_):
    with FaultServer() as server, running() as proxy:
        result = request_("GET", f"{server.url}/text", proxy=f"socks5://me:secret@127.0.0.1:{proxy.port}")
        assert result.text == "ok"
        assert proxy.seen == [f"SOCKS 127.0.0.1:{server.port}"]
        assert proxy.authorizations == ["me:secret"]


@both
def test_a_socks_proxy_that_says_no_is_a_connect_failure(request_):
    with FaultServer() as server, running(refuse=1) as proxy:
        result = request_("GET", f"{server.url}/", proxy=f"socks5h://127.0.0.1:{proxy.port}")
    assert (result.kind, result.sent) == (FailureKind.CONNECT, False)


@both
@pytest.mark.parametrize(("refuse", "attempts"), [(1, 2), (2, 1), (5, 2)])
def test_a_socks_proxy_is_asked_again_unless_its_rules_forbid_it(request_, refuse, attempts):
    twice = Policy(retry=Retry(max_attempts=2, wait_initial=0.001))
    with FaultServer() as server, running(refuse=refuse) as proxy:
        result = request_("GET", f"{server.url}/", proxy=f"socks5h://127.0.0.1:{proxy.port}", policy=twice)
    assert (result.kind, len(result.attempts)) == (FailureKind.CONNECT, attempts)


@both
def test_over_a_unix_socket(request_, tmp_path):
    with FaultServer(uds=str(tmp_path / "s")) as server:
        results = request_("GET", "http://orders/text", times=2, uds=str(server.uds))
        assert [result.text for result in results] == ["ok", "ok"]
        server.journal.assert_connections(1)
        assert server.journal.requests[0].headers["host"] == "orders"
    assert request_("GET", "http://orders/", uds=str(tmp_path / "none")).kind is FailureKind.CONNECT


@both
def test_a_unix_socket_whose_queue_is_full_is_not_connected_to(request_, tmp_path):
    path, waiting = str(tmp_path / "s"), []
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)
        for _ in range(3):  # one is taken, or two; the last one finds no room
            waiting.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(path)
        result = request_("POST", "http://orders/", uds=path)
    assert (result.kind, result.sent) == (FailureKind.CONNECT, False)


# Auth.


@both
def test_basic_auth_from_a_pair(request_):
    with FaultServer() as server:
        server.on("/", echo())
        headers = dict(request_("GET", f"{server.url}/", auth=("me", "secret")).json()["headers"])
    assert headers["Authorization"] == "Basic bWU6c2VjcmV0"


@both
def test_auth_of_one_call_replaces_the_clients(request_):
    with FaultServer() as server:
        server.on("/", echo())
        result = request_("GET", f"{server.url}/", auth=("me", "secret"), call={"auth": ("you", "secret")})
    assert dict(result.json()["headers"])["Authorization"] == "Basic eW91OnNlY3JldA=="


@both
def test_digest_auth_answers_the_challenge_on_one_connection(request_):
    with FaultServer() as server:
        server.on("/", require_digest())
        results = request_("GET", f"{server.url}/", times=2, auth=httpx.DigestAuth("me", "secret"))
        assert all(result.ok for result in results)
        assert [attempt.status for attempt in results[0].attempts] == [401, 200]
        assert [attempt.status for attempt in results[1].attempts] == [200]
        server.journal.assert_connections(1)


@both
def test_auth_may_be_a_function_of_the_request(request_):
    def sign(request):
        request.headers["X-Signature"] = f"{request.method} {request.url.path}"
        return request

    with FaultServer() as server:
        server.on("/a", echo())
        headers = dict(request_("GET", f"{server.url}/a", auth=sign).json()["headers"])
    assert headers["X-Signature"] == "GET /a"


@both
def test_an_auth_that_reads_the_answer_is_given_it(request_):
    class Token(httpx.Auth):
        requires_response_body = True

        def auth_flow(self, request):
            response = yield request
            request.headers["X-Seen"] = response.text
            yield request

    with FaultServer() as server:
        server.on("/", status(401, "challenge"), then=echo())
        headers = dict(request_("GET", f"{server.url}/", auth=Token()).json()["headers"])
    assert headers["X-Seen"] == "challenge"


@both
def test_an_auth_that_signs_the_body_is_given_it(request_):
    class Signed(httpx.Auth):
        requires_request_body = True

        def auth_flow(self, request):
            request.headers["X-Length"] = str(len(request.content))
            yield request

    with FaultServer() as server:
        server.on("/", echo())
        headers = dict(request_("POST", f"{server.url}/", auth=Signed(), call={"json": {"a": 1}}).json()["headers"])
    assert headers["X-Length"] == "7"


# Foreign transports.


@both
@pytest.mark.parametrize(
    ("raised", "kind", "sent"),
    [
        (httpx.ConnectError("refused"), "connect", False),
        (httpx.ConnectTimeout("slow"), "connect_timeout", False),
        (httpx.ReadTimeout(""), "read_timeout", True),
        (httpx.WriteTimeout(""), "write_timeout", True),
        (httpx.PoolTimeout(""), "pool_timeout", False),
        (httpx.ReadError("reset"), "reset", True),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "reset", True),
        (httpx.RemoteProtocolError("garbage"), "protocol", True),
        (httpx.ProxyError("407"), "connect", False),
        (OSError(24, "Too many open files"), "local", False),
        (RecursionError("deep"), "unexpected", True),
        (ValueError("bug"), "unexpected", True),
        (ExceptionGroup("several", [OSError("x")]), "unexpected", True),
    ],
)
def test_whatever_a_transport_raises_is_a_failure(request_, raised, kind, sent):
    def handler(request):
        raise raised

    result = request_("GET", "http://mock/", transport=httpx.MockTransport(handler))
    assert (str(result.kind), result.sent) == (kind, sent)
    assert result.cause is raised


@both
def test_a_mock_transport_sees_the_request_and_plain_timeouts(request_):
    seen = []

    def handler(request):
        seen.append(request)
        return httpx.Response(200, json={"a": 1})

    policy = Policy(timeouts=Timeouts(connect=1.0, read=2.0, total=30.0))
    result = request_(
        "PUT", "http://mock/x?a=1", transport=httpx.MockTransport(handler), policy=policy, call={"json": {}}
    )
    assert result.json() == {"a": 1}
    (request,) = seen
    assert str(request.url) == "http://mock/x?a=1"
    assert {name: type(value) for name, value in request.extensions["timeout"].items()} == dict.fromkeys(
        ("connect", "read", "write", "pool"), float
    )


def test_an_asynchronous_foreign_transport_is_interrupted_at_the_deadline():
    class Stuck(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            await asyncio.sleep(60)

    started = time.monotonic()
    result = call_async("GET", "http://x/", transport=Stuck(), policy=Policy(timeouts=Timeouts(total=0.1)))
    assert result.kind is FailureKind.DEADLINE
    assert time.monotonic() - started < 5


def test_an_asgi_application_is_called_without_a_network():
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")]})
        await send({"type": "http.response.body", "body": b"hello"})

    result = call_async("GET", "http://app/", transport=httpx.ASGITransport(application))
    assert (result.text, result.headers["X-A"]) == ("hello", "b")


def test_a_wsgi_application_is_called_without_a_network():
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    assert call_blocking("GET", "http://app/", transport=httpx.WSGITransport(application)).text == "hello"


@both
def test_httpx_own_transport_works_as_a_foreign_one(request_):
    with FaultServer() as server:
        server.on("/slow", hang())
        transport = httpx.HTTPTransport() if request_ is call_blocking else httpx.AsyncHTTPTransport()
        assert request_("GET", f"{server.url}/", transport=transport).ok
        transport = httpx.HTTPTransport() if request_ is call_blocking else httpx.AsyncHTTPTransport()
        policy = Policy(timeouts=Timeouts(total=0.2), retry=None)
        assert request_("GET", f"{server.url}/slow", transport=transport, policy=policy).kind is FailureKind.DEADLINE


@both
def test_a_transport_of_the_wrong_kind_is_refused(request_):
    wrong = httpx.AsyncHTTPTransport() if request_ is call_blocking else httpx.HTTPTransport()
    with pytest.raises(TypeError, match=r"transport=.*needs (a blocking|an asynchronous) httpx transport"):
        request_("GET", "http://x/", transport=wrong)


@both
def test_options_that_belong_on_a_foreign_transport_are_refused(request_):
    with pytest.raises(ConfigError, match="transport= and proxy= were both given"):
        request_("GET", "http://x/", transport=httpx.MockTransport(lambda _: None), proxy="http://p:1")


def test_tools_that_patch_httpx_still_see_the_default_transport(monkeypatch):
    monkeypatch.setattr(
        httpx.HTTPTransport, "handle_request", lambda self, request: httpx.Response(200, text=f"mocked {request.url}")
    )
    assert call_blocking("GET", "http://anywhere/x").text == "mocked http://anywhere/x"


@pytest.mark.parametrize("patched", ["before", "after"])
def test_a_tool_sees_every_request_whether_it_patched_httpx_before_or_after_we_were_imported(patched):
    patch = """
original, seen = httpx.HTTPTransport.handle_request, []
def watching(self, request):
    seen.append(request.url)
    return original(self, request)
httpx.HTTPTransport.handle_request = watching
"""
    ours = "from resilient_client import Client"
    call = """
with Client("watched", base_url={url!r}) as client:
    assert client.get("/").ok
assert len(seen) == 1, seen
"""
    parts = [patch, ours] if patched == "before" else [ours, patch]
    with FaultServer() as server:
        code = "\n".join(["import httpx", *parts, call.format(url=server.url)])
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


TOOLS = {
    "a function": """
def watching(self, request):
    seen.append(request.url)
    return original(self, request)
httpx.HTTPTransport.handle_request = watching
""",
    "a wrapper that passes for what it wraps": """
import wrapt
def watching(wrapped, instance, args, kwargs):
    seen.append(args)
    return wrapped(*args, **kwargs)
wrapt.wrap_function_wrapper("httpx", "HTTPTransport.handle_request", watching)
""",
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("first", ["a client", "the tool"])
def test_a_tool_sees_what_is_sent_until_it_is_taken_off_whoever_came_first(tool, first):
    make = """
from resilient_client import Client
client = Client("watched", base_url={url!r})
"""
    call = """
for _ in range(2):
    assert client.get("/").ok
assert len(seen) == 2, seen
assert not client._wire.untouched()
httpx.HTTPTransport.handle_request = original
assert client._wire.untouched()
assert client.get("/").ok
assert len(seen) == 2, seen
"""
    parts = [make, TOOLS[tool]] if first == "a client" else [TOOLS[tool], make]
    with FaultServer() as server:
        code = "\n".join(["import httpx\noriginal, seen = httpx.HTTPTransport.handle_request, []", *parts, call])
        subprocess.run([sys.executable, "-c", code.format(url=server.url)], check=True, timeout=60)


def test_pytest_httpx_answers_in_place_of_the_network(httpx_mock):
    httpx_mock.add_response(url="http://mocked/x", json={"a": 1})
    assert call_blocking("GET", "http://mocked/x").json() == {"a": 1}


@both
def test_nothing_is_logged_about_urls(request_, caplog):
    caplog.set_level(logging.DEBUG)
    with FaultServer() as server:
        request_("GET", f"{server.url}/?token=s3cret", auth=("me", "s3cret"), policy=Policy(retry=Retry()))
    assert "s3cret" not in caplog.text
