"""TLS: how old, how checked, under which names, and what leaves a trace."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest
import trustme
from proxy_side import Proxy

from resilient_client import AsyncClient, Client, FailureKind, Policy
from resilient_client.testing import FaultServer
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.wire.sockets import Address, resolve
from resilient_client.wire.tls_settings import TlsSettings

ONCE = Policy(retry=None)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def call(facade, url, **options):
    options = {"policy": ONCE, **options}
    if facade is Client:
        with Client("tls", **options) as client:
            return client.get(url)

    async def go():
        async with AsyncClient("tls", **options) as client:
            return await client.get(url)

    return asyncio.run(go())


both = pytest.mark.parametrize("facade", [Client, AsyncClient])


@contextlib.contextmanager
def serving(context, *, host="127.0.0.1", family=socket.AF_INET):
    """A server with `context` that answers each connection once; gives its port."""
    listener = socket.create_server((host, 0), family=family)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                raw, _ = listener.accept()
                with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as peer:
                    peer.recv(65536)
                    peer.sendall(ANSWER)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def roots(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("roots") / "roots.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return str(path)


def server_context(authority, *names, most=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    if most is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = most
    return context


@pytest.fixture
def names(monkeypatch):
    """Have every name resolve to 127.0.0.1."""
    monkeypatch.setattr(resolve.resolver, "_look_up", lambda name: [Address(socket.AF_INET, ("127.0.0.1", name[1]))])


# Versions and options.


@both
def test_a_server_that_knows_nothing_newer_than_tls_1_1_is_refused(facade, authority, roots):
    with serving(server_context(authority, "127.0.0.1", most=ssl.TLSVersion.TLSv1_1)) as port:
        result = call(facade, f"https://127.0.0.1:{port}/", verify=roots)
        assert (result.kind, result.sent) == (FailureKind.TLS, False)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.set_ciphers("DEFAULT:@SECLEVEL=0")
            old.minimum_version = ssl.TLSVersion.TLSv1
        authority.configure_trust(old)
        assert call(facade, f"https://127.0.0.1:{port}/", verify=old).ok  # the server is there, and so is the choice


@both
@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_newer_versions_are_spoken(facade, authority, roots, most):
    with serving(server_context(authority, "127.0.0.1", most=most)) as port:
        assert call(facade, f"https://127.0.0.1:{port}/", verify=roots).ok


def test_what_a_context_of_ours_does_not_do():
    context = TlsSettings().context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_a_context_of_the_callers_stays_as_it_is():
    own = CERTIFICATES.client_context()
    own.maximum_version = ssl.TLSVersion.TLSv1_2
    before = (own.options, own.minimum_version, own.maximum_version, own.verify_mode, own.check_hostname)
    with FaultServer(tls="valid") as server:
        assert call(Client, server.url, verify=own).ok
    assert (own.options, own.minimum_version, own.maximum_version, own.verify_mode, own.check_hostname) == before


# Names.


@both
@pytest.mark.parametrize(
    ("host", "certified", "good"),
    [
        ("orders.example", "orders.example", True),
        ("orders.example.", "orders.example", True),
        ("ORDERS.example", "orders.example", True),
        ("b\u00fccher.example", "b\u00fccher.example", True),
        ("xn--bcher-kva.example", "b\u00fccher.example", True),
        ("a.orders.example", "*.orders.example", True),
        ("a.b.orders.example", "*.orders.example", False),
        ("orders.example", "*.orders.example", False),
        ("orders.example", "*.example.org", False),
        ("orders.example", "payments.example", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "localhost", False),
        ("localhost", "127.0.0.1", False),
    ],
)
def test_a_certificate_is_good_for_its_names_and_addresses_alone(
    facade, authority, roots, names, host, certified, good
):
    with serving(server_context(authority, certified)) as port:
        result = call(facade, f"https://{host}:{port}/", verify=roots)
    assert result.ok is good, result
    assert good or result.kind is FailureKind.TLS


@both
def test_an_ipv6_address_is_checked_as_one(facade, authority, roots):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    for certified, good in (("::1", True), ("::2", False), ("localhost", False)):
        with serving(server_context(authority, certified), host="::1", family=socket.AF_INET6) as port:
            assert call(facade, f"https://[::1]:{port}/", verify=roots).ok is good


# A proxy reached over TLS.


class TlsProxy(Proxy):
    """A proxy that speaks TLS to its clients."""

    def __init__(self, context):
        self.context = context
        super().__init__()

    def _serve_quietly(self, client):
        with contextlib.suppress(OSError), self.context.wrap_socket(client, server_side=True) as peer:
            self._http(peer)


@pytest.fixture
def proxied(authority):
    made = []

    def make(*certified):
        made.append(TlsProxy(server_context(authority, *certified)))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@both
def test_a_proxy_over_tls_is_verified_with_the_same_roots(facade, roots, proxied):
    with FaultServer() as server:
        proxy = proxied("localhost")
        result = call(facade, f"{server.url}/text", verify=roots, proxy=f"https://localhost:{proxy.port}")
        assert result.text == "ok"
        assert len(proxy.seen) == 1


@both
@pytest.mark.parametrize("verify", [True, False])
def test_a_proxy_over_tls_that_nobody_vouches_for_sees_nothing(facade, proxied, verify):
    proxy = proxied("localhost")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = call(facade, "http://x.example/", verify=verify, proxy=f"https://me:s3cret@localhost:{proxy.port}")
    assert (result.kind, result.sent, proxy.seen) == (FailureKind.TLS, False, [])


@both
def test_a_proxy_over_tls_with_another_name_sees_nothing(facade, roots, proxied):
    proxy = proxied("elsewhere.example")
    result = call(facade, "http://x.example/", verify=roots, proxy=f"https://localhost:{proxy.port}")
    assert (result.kind, proxy.seen) == (FailureKind.TLS, [])


# Warnings and traces.


def test_no_verification_is_warned_of_once_for_each_line_that_asks_for_it():
    code = """
        import ssl
        from resilient_client import Client
        from resilient_client.testing import FaultServer

        anyone = ssl.create_default_context()
        anyone.check_hostname = False
        anyone.verify_mode = ssl.CERT_NONE
        with FaultServer(tls="self-signed") as server:
            for _ in range(3):
                with Client("a", base_url=server.url, verify=False) as client:
                    assert client.get("/").ok
                    assert client.get("/").ok
            with Client("b", base_url=server.url, verify=anyone) as client:
                assert client.get("/").ok
    """
    command = [sys.executable, "-W", "default", "-c", textwrap.dedent(code)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stderr.splitlines()
    assert [line for line in said if "UserWarning" in line] == [
        "<string>:11: UserWarning: verify=False: any server may pretend to be the one that is called",
        "<string>:14: UserWarning: verify=a context that verifies nothing: any server may pretend to be the one that "
        "is called",
    ]


@both
@pytest.mark.parametrize("trusted", [False, True])
def test_keys_are_logged_only_for_who_trusts_the_environment(facade, monkeypatch, tmp_path, trusted):
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(tls="valid") as server:
        options = {"base_url": server.url, "verify": server.authority_file(), "trust_env": trusted}
        assert call(facade, "/", **options).ok
    assert log.exists() is trusted
    assert not trusted or "SECRET" in log.read_text()


def test_a_certificate_for_the_server_is_not_shown_to_the_proxy(authority, roots, proxied, tmp_path):
    mine = authority.issue_cert("me@example.org")
    pem = tmp_path / "mine.pem"
    mine.private_key_and_cert_chain_pem.write_to_path(str(pem))
    proxy = proxied("localhost")
    authority.configure_trust(proxy.context)
    proxy.context.verify_mode = ssl.CERT_REQUIRED
    result = call(Client, "http://x.example/", verify=roots, cert=str(pem), proxy=f"https://localhost:{proxy.port}")
    assert result.kind in {FailureKind.TLS, FailureKind.RESET, FailureKind.CONNECT}
    assert proxy.seen == []
