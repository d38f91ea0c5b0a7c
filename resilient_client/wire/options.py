"""How a client reaches its servers: the arguments of both facades, and what the environment adds to them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from resilient_client.errors import ConfigError
from resilient_client.wire.proxies import Proxy, parse_proxy
from resilient_client.wire.tls_settings import Cert, Verify


@dataclass(frozen=True, slots=True)
class WireOptions:
    """How a client reaches its servers; the arguments of both facades."""

    transport: Any = None
    verify: Verify = True
    cert: Cert | None = None
    proxy: str | None = None
    uds: str | os.PathLike[str] | None = None
    http2: bool = False
    local_address: str | None = None
    trust_env: bool = False
    wire: str | None = None

    def given(self) -> list[str]:
        """Return the names of what was said about the way, other than by which wire and whether to ask around."""
        plain = WireOptions()
        names = ("verify", "cert", "proxy", "uds", "http2", "local_address")
        return [name for name in names if getattr(self, name) != getattr(plain, name)]

    def check_addresses(self) -> None:
        """Raise `ConfigError` or `TypeError` for an address that is none, and for two ways at once."""
        if self.uds is not None and not isinstance(self.uds, (str, os.PathLike)):
            raise TypeError(f"uds={self.uds!r}: give the path of a unix socket")
        if self.local_address is not None:
            try:
                ip_address(self.local_address)
            except ValueError:
                raise ConfigError(f"local_address={self.local_address!r}: give an IP address of this machine") from None
        if self.uds is not None and self.proxy is not None:
            raise ConfigError("uds= and proxy= were both given; a unix socket is reached directly")
        if self.uds is not None and self.local_address is not None:
            raise ConfigError("uds= and local_address= were both given; a unix socket has no IP address")

    def through(self, base_url: str | None) -> Proxy | None:
        """Return the proxy to go through, that of the environment only for those who trust it."""
        url = self.proxy if self.proxy is not None or not self.trust_env else _proxy_of_environment(base_url)
        if url is None:
            return None
        if not isinstance(url, str):
            raise TypeError(f"proxy={url!r}: give the proxy's URL as a str")
        return parse_proxy(url)

    def roots(self) -> Verify:
        """Return whom to trust: what was given, or what the environment names for those who trust it."""
        if self.verify is not True or not self.trust_env:
            return self.verify
        return os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or True

    def key_log(self) -> str | None:
        """Return the file that the environment names for the keys of connections, only for those who trust it."""
        return (os.environ.get("SSLKEYLOGFILE") or None) if self.trust_env else None


def _proxy_of_environment(base_url: str | None) -> str | None:
    """Return the proxy that the environment names for `base_url`, None when NO_PROXY exempts it."""
    import urllib.request  # noqa: PLC0415 - only for trust_env

    if base_url is None:
        raise ConfigError("trust_env=True: needs base_url, so that the environment's proxy for it can be chosen")
    url = urlsplit(base_url)
    if urllib.request.proxy_bypass(url.hostname or ""):
        return None
    found = urllib.request.getproxies()
    return found.get(url.scheme) or found.get("all")
