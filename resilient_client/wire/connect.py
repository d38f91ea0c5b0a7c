"""Connect: name, addresses, TCP, proxy and TLS of one connection, all within one limit."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_client.exchange import Limits, Url, WireError
from resilient_client.result import FailureKind
from resilient_client.wire import proxies
from resilient_client.wire.classify import of_connecting, of_handshake
from resilient_client.wire.sockets import Address, Expired, Network, Stream, now
from resilient_client.wire.sockets.tls import start_tls

if TYPE_CHECKING:
    from resilient_client.wire.proxies import Proxy
    from resilient_client.wire.tls_settings import TlsSettings


@dataclass(slots=True)
class Connector:
    """How connections of one client are made. `proxy_tls` is for an https proxy."""

    network: Network
    tls: TlsSettings
    proxy: Proxy | None = None
    proxy_tls: TlsSettings | None = None
    uds: str | None = None
    source: str | None = None

    def _where(self, origin: Url) -> str:
        """Return who is connected to first, which is who did not answer when that fails."""
        if self.proxy is not None:
            return f"the proxy {self.proxy.host}:{self.proxy.port}"
        return origin.origin if self.uds is None else f"the unix socket {self.uds}"

    async def open(self, origin: Url, limits: Limits) -> Stream:
        """Return a stream to `origin`, ready for HTTP; raises `WireError`, leaves nothing behind when interrupted."""
        until = limits.connecting_until()
        try:
            stream = await self._reach(origin, until)
        except Expired as problem:
            raise self._expired(limits, f"no connection to {self._where(origin)}") from problem
        except (OSError, UnicodeError, RuntimeError, MemoryError) as problem:
            raise of_connecting(problem, self._where(origin)) from problem
        try:
            return await self._secure(stream, origin, limits, until)
        except BaseException:
            stream.abort()
            raise

    def _expired(self, limits: Limits, what: str) -> WireError:
        return WireError(limits.expired(FailureKind.CONNECT_TIMEOUT), f"{what} in time", sent=False)

    async def _reach(self, origin: Url, until: float) -> Stream:
        if self.uds is not None:
            return await self.network.connect(Address(socket.AF_UNIX, self.uds), until, None)
        hop = self.proxy
        host, port = (hop.host, hop.port) if hop else (origin.host, origin.port or proxies.PORTS[origin.scheme])
        return await self._first_of(await self.network.resolve(host, port, until), until)

    async def _first_of(self, addresses: list[Address], until: float) -> Stream:
        """Try the addresses in order, each with an equal share of the time left, as Go's net.Dialer does.

        One that swallows packets must not take the time of those behind it.
        """
        problem: OSError | None = None
        for position, address in enumerate(addresses):
            left = until - now()
            if left <= 0:
                break
            share = until if position == len(addresses) - 1 else now() + left / (len(addresses) - position)
            try:
                return await self.network.connect(address, share, self.source)
            except OSError as failed:
                problem = failed
        raise problem or Expired("no time was left to connect")

    async def _secure(self, stream: Stream, origin: Url, limits: Limits, until: float) -> Stream:
        proxy = self.proxy
        try:
            if proxy is not None and proxy.scheme == "https" and self.proxy_tls is not None:
                stream = await self._handshake(stream, self.proxy_tls, proxy.host, limits, until)
            if proxy is not None and proxy.socks:
                await proxies.socks5(stream, proxy, origin, until)
            elif proxy is not None and origin.scheme == "https":
                await proxies.tunnel(stream, proxy, origin, until)
        except Expired as problem:
            raise self._expired(limits, "the proxy did not answer") from problem
        except OSError as problem:
            raise of_connecting(problem, "the proxy") from problem
        if origin.scheme == "https":
            stream = await self._handshake(stream, self.tls, origin.host, limits, until)
        return stream

    async def _handshake(self, stream: Stream, tls: TlsSettings, host: str, limits: Limits, until: float) -> Stream:
        try:
            return await start_tls(stream, tls.context(), host, tls.alpn, until)
        except Expired as problem:
            raise self._expired(limits, f"no TLS handshake with {host}") from problem
        except (OSError, ValueError) as problem:
            raise of_handshake(problem, host) from problem
