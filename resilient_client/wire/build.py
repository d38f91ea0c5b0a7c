"""Build a client's wire from its options: transport, TLS, proxy, pool; contradictions are said here."""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING

from resilient_client.errors import ConfigError
from resilient_client.wire.choices import DEFAULT, chosen
from resilient_client.wire.connect import Connector
from resilient_client.wire.httpx_wire import (
    AsyncioHttpxWire,
    BlockingHttpxWire,
    HttpxWire,
)
from resilient_client.wire.options import WireOptions
from resilient_client.wire.pool import Pool
from resilient_client.wire.sockets.blocking import BlockingNetwork
from resilient_client.wire.sockets.nonblocking import AsyncioNetwork
from resilient_client.wire.tls_settings import TlsSettings
from resilient_client.wire.transports import AsyncioTransport, BlockingTransport

if TYPE_CHECKING:
    from resilient_client.exchange import Wire


def build_wire(options: WireOptions, *, asynchronous: bool, base_url: str | None) -> Wire:
    """Return the wire that `options` describe; raises `ConfigError` or `TypeError`."""
    if options.wire not in {None, DEFAULT}:
        return chosen(options, asynchronous=asynchronous, base_url=base_url)
    if options.transport is not None:
        return _foreign(options, asynchronous=asynchronous)
    if options.http2:
        _check_http2(asynchronous=asynchronous)
    options.check_addresses()
    connector = _connector(options, base_url, asynchronous=asynchronous)
    if not asynchronous:
        return BlockingHttpxWire(BlockingTransport(Pool(connector)))
    if options.http2:
        from resilient_client.wire.multiplexing import MultiplexingPool  # noqa: PLC0415 - needs the extra http2

        return AsyncioHttpxWire(AsyncioTransport(MultiplexingPool(connector)))
    return AsyncioHttpxWire(AsyncioTransport(Pool(connector)))


def _foreign(options: WireOptions, *, asynchronous: bool) -> HttpxWire:
    given = options.given()
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
    proxy = options.through(base_url)
    return Connector(
        network=AsyncioNetwork() if asynchronous else BlockingNetwork(),
        tls=TlsSettings(options.roots(), options.cert, http2=options.http2, key_log=options.key_log()),
        proxy=proxy,
        proxy_tls=_tls_of_proxy(options) if proxy is not None and proxy.scheme == "https" else None,
        uds=None if options.uds is None else os.fspath(options.uds),
        source=options.local_address,
    )


def _tls_of_proxy(options: WireOptions) -> TlsSettings:
    """Return the TLS of the proxy itself: the same roots. That no server is verified is not said of the proxy."""
    return TlsSettings(True if options.verify is False else options.roots())
