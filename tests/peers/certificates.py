"""The certificates of the peers: one authority, a server, a client, and a client that nobody knows."""

from __future__ import annotations

import ssl
from functools import cached_property
from pathlib import Path

import trustme


class Certificates:
    """Made on first use, because making keys is slow."""

    @cached_property
    def _authority(self) -> trustme.CA:
        return trustme.CA()

    @cached_property
    def _server(self) -> bytes:
        return _pem(self._authority.issue_cert("localhost", "127.0.0.1"))

    def client_context(self) -> ssl.SSLContext:
        """What trusts the authority and nothing else."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context

    def write(self, folder: Path) -> None:
        """Write what a server needs: `server.pem`, certificate and key in one, and `authority.pem`."""
        (folder / "server.pem").write_bytes(self._server)
        (folder / "authority.pem").write_bytes(self._authority.cert_pem.bytes())

    def client_file(self, folder: Path, *, known: bool = True) -> str:
        """Write a client's certificate and key; a server that asks for one knows it, or not."""
        authority = self._authority if known else trustme.CA()
        path = folder / f"client-{known}.pem"
        path.write_bytes(_pem(authority.issue_cert("client@example.org", common_name="a test client")))
        return str(path)


def _pem(issued: trustme.LeafCert) -> bytes:
    return issued.private_key_pem.bytes() + b"".join(blob.bytes() for blob in issued.cert_chain_pems)


CERTIFICATES = Certificates()
