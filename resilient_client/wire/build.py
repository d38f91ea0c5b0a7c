"""Build a client's wire from its options: transport, TLS, proxy, pool; contradictions are said here."""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpx

from resilient_client.errors import ConfigError
from resilient_client.wire.connect import Connector
from resilient_client.wire.httpx_wire import (
    AsyncioHttpxWire,
    BlockingHttpxWire,
    HttpxWire,
)
from resilient_client.wire.pool import Pool
from resilient_client.wire.proxies import Proxy, parse_proxy
from resilient_client.wire.sockets.blocking import BlockingNetwork
from resilient_client.wire.sockets.nonblocking import AsyncioNetwork
from resilient_client.wire.tls_settings import Cert, TlsSettings, Verify
from resilient_client.wire.transports import AsyncioTransport, BlockingTransport


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


def build_wire(options: WireOptions, *, asynchronous: bool, base_url: str | None) -> HttpxWire:
    """Return the wire that `options` describe; raises `ConfigError` or `TypeError`."""
    if options.transport is not None:
        return _foreign(options, asynchronous=asynchronous)
    if options.http2:
        _check_http2(asynchronous=asynchronous)
    _check_addresses(options)
    if options.uds is not None and options.proxy is not None:
        raise ConfigError("uds= and proxy= were both given; a unix socket is reached directly")
    connector = _connector(options, base_url, asynchronous=asynchronous)
    if not asynchronous:
        return BlockingHttpxWire(BlockingTransport(Pool(connector)))
    if options.http2:
        from resilient_client.wire.multiplexing import MultiplexingPool  # noqa: PLC0415 - needs the extra http2

        return AsyncioHttpxWire(AsyncioTransport(MultiplexingPool(connector)))
    return AsyncioHttpxWire(AsyncioTransport(Pool(connector)))


def _foreign(options: WireOptions, *, asynchronous: bool) -> HttpxWire:
    plain = WireOptions()
    given = [
        name
        for name in ("verify", "cert", "proxy", "uds", "http2", "local_address")
        if getattr(options, name) != getattr(plain, name)
    ]
    if given:
        raise ConfigError(f"transport= and {given[0]}= were both given; set {given[0]} on the transport itself")
    wanted = "handle_async_request" if asynchronous else "handle_request"
    if inspect.isclass(options.transport) or not callable(getattr(options.transport, wanted, None)):
        kind = "an asynchronous" if asynchronous else "a blocking"
        client = "AsyncClient" if asynchronous else "Client"
        raise TypeError(
            f"transport={type(options.transport).__name__}: {client} needs {kind} httpx transport, an object with "
            f"{wanted}()"
        )
    return (AsyncioHttpxWire if asynchronous else BlockingHttpxWire)(options.transport)


def _check_addresses(options: WireOptions) -> None:
    if options.uds is not None and not isinstance(options.uds, (str, os.PathLike)):
        raise TypeError(f"uds={options.uds!r}: give the path of a unix socket")
    if options.local_address is not None:
        try:
            ip_address(options.local_address)
        except ValueError:
            raise ConfigError(f"local_address={options.local_address!r}: give an IP address of this machine") from None


def _check_http2(*, asynchronous: bool) -> None:
    if not asynchronous:
        raise ConfigError(
            "http2=True: HTTP/2 is for AsyncClient; on a blocking client one call would have to read for all others, "
            "and none of them could keep its deadline"
        )
    try:
        import h2  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise ConfigError("http2=True: needs the extra: install resilient-client[http2]") from None


def _connector(options: WireOptions, base_url: str | None, *, asynchronous: bool) -> Connector:
    proxy_url = options.proxy if options.proxy is not None or not options.trust_env else _proxy_of_environment(base_url)
    proxy: Proxy | None = None
    if proxy_url is not None:
        if not isinstance(proxy_url, str):
            raise TypeError(f"proxy={proxy_url!r}: give the proxy's URL as a str")
        proxy = parse_proxy(proxy_url)
    return Connector(
        network=AsyncioNetwork() if asynchronous else BlockingNetwork(),
        tls=TlsSettings(_verify(options), options.cert, http2=options.http2, key_log=_key_log(options)),
        proxy=proxy,
        proxy_tls=_tls_of_proxy(options) if proxy is not None and proxy.scheme == "https" else None,
        uds=None if options.uds is None else os.fspath(options.uds),
        source=options.local_address,
    )


def _verify(options: WireOptions) -> Verify:
    if options.verify is not True or not options.trust_env:
        return options.verify
    return os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or True


def _key_log(options: WireOptions) -> str | None:
    """Return the file that the environment names for the keys of connections, only for those who trust it."""
    return (os.environ.get("SSLKEYLOGFILE") or None) if options.trust_env else None


def _tls_of_proxy(options: WireOptions) -> TlsSettings:
    """Return the TLS of the proxy itself: the same roots. That no server is verified is not said of the proxy."""
    return TlsSettings(True if options.verify is False else _verify(options))


def _proxy_of_environment(base_url: str | None) -> str | None:
    """Return the proxy that the environment names for `base_url`, None when NO_PROXY exempts it."""
    import urllib.request  # noqa: PLC0415 - only for trust_env

    if base_url is None:
        raise ConfigError("trust_env=True: needs base_url, so that the environment's proxy for it can be chosen")
    url = httpx.URL(base_url)
    if urllib.request.proxy_bypass(url.host):
        return None
    found = urllib.request.getproxies()
    return found.get(url.scheme) or found.get("all")
