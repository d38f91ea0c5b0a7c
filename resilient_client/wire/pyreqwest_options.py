"""How a client of pyreqwest is set up: what it does by itself switched off, TLS and proxy as they were asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pyreqwest.proxy import ProxyBuilder

from resilient_client.wire.choices import refuse
from resilient_client.wire.tls_settings import Cert, TlsSettings

if TYPE_CHECKING:
    from resilient_client.wire.options import WireOptions
    from resilient_client.wire.proxies import Proxy

NAME = "pyreqwest"


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """What every client of one wire has; `identity` is a client certificate with its key, as PEM."""

    verified: bool
    http2: bool
    identity: bytes | None = field(repr=False)
    proxy: Proxy | None
    source: str | None

    @classmethod
    def of(cls, options: WireOptions, base_url: str | None) -> Self:
        """Return what `options` come to; raises `ConfigError` for what pyreqwest cannot do."""
        if not isinstance(options.verify, bool):
            why = "it trusts the roots of the system: add yours there, or name a file of them in SSL_CERT_FILE"
            raise refuse(f"verify={options.verify!r}", NAME, why)
        TlsSettings(options.verify, options.cert)  # says what is wrong with either, and warns
        identity = None if options.cert is None else _identity(options.cert)
        proxy = options.through(base_url)
        return cls(options.verify, options.http2, identity, proxy, options.local_address)

    def configure(self, builder: Any) -> Any:
        """Return `builder` with all of it."""
        builder = builder.no_proxy().follow_redirects(False).referer(False).http2(self.http2)
        builder = builder.gzip(False).brotli(False).zstd(False).deflate(False)
        if not self.verified:
            builder = builder.danger_accept_invalid_certs(True)
        if self.identity is not None:
            builder = builder.identity_pem(self.identity)
        if self.source is not None:
            builder = builder.local_address(self.source)
        return builder if self.proxy is None else builder.proxy(_proxy(self.proxy))


def _identity(cert: Cert) -> bytes:
    parts = (cert,) if isinstance(cert, str) else cert
    if len(parts) == 3:
        raise refuse("cert=(certificate, key, password)", NAME, "it takes no key that is encrypted")
    return b"\n".join(Path(part).read_bytes() for part in parts)


def _proxy(proxy: Proxy) -> Any:
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    scheme = "socks5h" if proxy.socks else proxy.scheme  # the one whose proxy looks the name up
    built = ProxyBuilder.all(f"{scheme}://{host}:{proxy.port}")
    return built if proxy.user is None else built.basic_auth(proxy.user, proxy.password)
