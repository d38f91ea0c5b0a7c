"""TLS certificates for tests: one good, and one for each way of being wrong.

Made on first use and kept for the life of the process, because making keys and contexts is slow.
"""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    import trustme

Tls: TypeAlias = Literal["valid", "self-signed", "expired", "wrong-host"]

KINDS: Final = get_args(Tls)

HOSTS: Final = ("localhost", "127.0.0.1", "::1")


def _new_authority() -> trustme.CA:
    try:
        import trustme  # noqa: PLC0415 - an optional dependency, and slow to import
    except ImportError as missing:
        raise ImportError("test certificates need trustme: install resilient-client[testing]") from missing
    return trustme.CA()


class Certificates:
    """An authority made for this process, what it signs, and the contexts made of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[tuple[Tls, bool, bool], ssl.SSLContext] = {}

    @cached_property
    def _authority(self) -> trustme.CA:
        return _new_authority()

    @cached_property
    def _client(self) -> trustme.LeafCert:
        return self._authority.issue_cert("client@example.org", common_name="a test client")

    def server_context(self, kind: Tls, *, http2: bool, client_certificate: bool) -> ssl.SSLContext:
        """Return a server's context: its certificate of `kind`, ALPN, and whether it asks clients for theirs."""
        key = (kind, http2, client_certificate)
        with self._lock:
            if key not in self._servers:
                self._servers[key] = self._new_server_context(*key)
            return self._servers[key]

    def client_context(self) -> ssl.SSLContext:
        """Return a new client's context that trusts the authority and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with self._lock:
            self._authority.configure_trust(context)
        return context

    def authority_pem(self) -> bytes:
        """Return the authority's certificate."""
        with self._lock:
            return self._authority.cert_pem.bytes()

    def client_pems(self) -> tuple[bytes, bytes]:
        """Return a client's certificate chain and its private key."""
        with self._lock:
            chain = b"".join(blob.bytes() for blob in self._client.cert_chain_pems)
            return chain, self._client.private_key_pem.bytes()

    def _new_server_context(self, kind: Tls, http2: bool, client_certificate: bool) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
        self._certify(context, kind)
        if client_certificate:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _certify(self, context: ssl.SSLContext, kind: Tls) -> None:
        match kind:
            case "valid":
                self._authority.issue_cert(*HOSTS).configure_cert(context)
            case "wrong-host":
                self._authority.issue_cert("elsewhere.example").configure_cert(context)
            case "expired":
                yesterday = datetime.now(UTC) - timedelta(days=1)
                month_ago = yesterday - timedelta(days=30)
                old = self._authority.issue_cert(*HOSTS, not_before=month_ago, not_after=yesterday)
                old.configure_cert(context)
            case "self-signed":
                # An authority in a server's place: signed by itself and trusted by nobody.
                unknown = _new_authority()
                with unknown.cert_pem.tempfile() as certificate, unknown.private_key_pem.tempfile() as key:
                    context.load_cert_chain(certificate, key)


CERTIFICATES: Final = Certificates()
