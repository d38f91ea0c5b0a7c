"""TLS: one good certificate and each bad one, client certificates, and unclean ends."""

from __future__ import annotations

import builtins
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from resilient_client.testing import certificates, steps
from resilient_client.testing.script import Close, Raw
from resilient_client.testing.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from raw_peer import Peer

REQUEST = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"


def secure(server: FaultServer) -> ssl.SSLSocket:
    """Connect with the certificate verified, and any end without a close_notify an error."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    context = server.client_context()
    return context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


def hear_all(sock: ssl.SSLSocket) -> bytes:
    heard = b""
    while piece := sock.recv(65536):
        heard += piece
    return heard


def test_a_valid_certificate_is_trusted_by_the_test_context() -> None:
    with FaultServer(tls="valid") as server, httpx.Client(verify=server.client_context()) as client:
        assert server.url == f"https://localhost:{server.port}"
        assert client.get(server.url + "/text").text == "ok"
        assert client.get(f"https://127.0.0.1:{server.port}/text").text == "ok"


def test_nobody_else_trusts_it() -> None:
    with FaultServer(tls="valid") as server, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(server.url)


@pytest.mark.parametrize(
    ("tls", "complaint"),
    [("self-signed", "self-signed certificate"), ("expired", "expired"), ("wrong-host", "Hostname mismatch")],
)
def test_each_bad_certificate_is_bad_in_its_own_way(tls: Any, complaint: str) -> None:
    with FaultServer(tls=tls) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
            secure(server)
        server.journal.assert_connections(1)
        server.journal.assert_requests(0)
        assert httpx.get(server.url, verify=False).status_code == 200  # noqa: S501 - to show that all else works


def test_a_client_certificate_can_be_demanded() -> None:
    with FaultServer(tls="valid", client_certificate=True) as server:
        context = server.client_context()
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
            httpx.get(server.url, verify=context)
        context.load_cert_chain(*server.client_cert_files())
        assert httpx.get(server.url, verify=context).status_code == 200


def test_the_authority_and_client_files_go_with_the_server() -> None:
    with FaultServer(tls="valid") as server:
        context = ssl.create_default_context(cafile=server.authority_file())
        assert httpx.get(server.url, verify=context).status_code == 200
        files = [server.authority_file(), *server.client_cert_files()]
        assert len(set(files)) == 3
    for file in files:
        with pytest.raises(FileNotFoundError):
            open(file)  # noqa: PTH123, SIM115 - it does not open


def test_close_says_goodbye_and_a_cut_does_not() -> None:
    answer = Raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
    with FaultServer(tls="valid") as server:
        server.on("/closed", lambda _: (answer, Close()))
        server.on("/cut", lambda _: (answer, Close(notify=False)))
        with secure(server) as sock:
            sock.sendall(REQUEST % b"/closed")
            assert hear_all(sock).endswith(b"half")
        with secure(server) as sock:
            sock.sendall(REQUEST % b"/cut")
            with pytest.raises((ssl.SSLEOFError, ssl.SSLError)):
                hear_all(sock)


def test_a_cut_of_plain_tcp_is_a_close(server: FaultServer, dial: Callable[[FaultServer], Peer]) -> None:
    server.on("/cut", lambda _: (Raw(b"bytes"), Close(notify=False)))
    assert dial(server).get("/cut").hear_all() == b"bytes"


def test_a_reset_is_a_reset_under_tls_too() -> None:
    with FaultServer(tls="valid") as server:
        server.on("/", steps.reset())
        with secure(server) as sock, socket.socket(fileno=os.dup(sock.fileno())) as below:
            below.settimeout(10)
            sock.sendall(REQUEST % b"/")
            # Below TLS, because some Python versions show a reset as an unclean end.
            with pytest.raises(ConnectionResetError):
                while below.recv(65536):
                    pass


def test_an_endless_body_waits_for_its_reader_under_tls() -> None:
    with FaultServer(tls="valid") as server:
        server.on("/", steps.endless_body())
        with secure(server) as sock:
            sock.sendall(REQUEST % b"/")
            server.journal.wait_until(lambda journal: journal.bytes_out > 100_000)
            with pytest.raises(AssertionError):
                server.journal.wait_until(lambda journal: journal.bytes_out > 64_000_000, timeout=0.3)
        server.journal.wait_until(lambda journal: journal.requests[0].aborted)


def test_idle_connections_close_under_tls() -> None:
    with FaultServer(tls="valid") as server, secure(server) as sock:
        sock.sendall(REQUEST % b"/text")
        assert sock.recv(65536).endswith(b"ok")
        server.close_idle()
        assert sock.recv(1) == b""


def test_a_client_that_never_finishes_its_handshake_does_not_hold_the_end() -> None:
    with FaultServer(tls="valid") as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(b"\x16\x03\x01")
        server.journal.wait_until(lambda journal: journal.connections_opened == 1)
        server.stop()
        assert sock.recv(1) == b""


def test_plain_http_to_a_tls_port_is_no_request() -> None:
    with FaultServer(tls="valid") as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(REQUEST % b"/")
        while sock.recv(100):
            pass
        server.journal.assert_requests(0)


def test_without_trustme_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    really_import = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "trustme":
            raise ImportError(name)
        return really_import(name, *rest)

    monkeypatch.setattr(certificates, "CERTIFICATES", certificates.Certificates())
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"install resilient-client\[testing\]"):
        certificates.CERTIFICATES.client_context()
