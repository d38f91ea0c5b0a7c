"""Proxies: HTTP forwarding, HTTP tunnels (CONNECT) and SOCKS5, over any stream."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import h11

from resilient_client.errors import ConfigError
from resilient_client.exchange import Url, WireError
from resilient_client.pipeline.retry import TRANSIENT_STATUSES
from resilient_client.redact import redact_url
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from resilient_client.wire.sockets import Stream

PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where the proxy is and who we are to it."""

    scheme: str
    host: str
    port: int
    user: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    @property
    def authorization(self) -> bytes | None:
        """The value of Proxy-Authorization, when the proxy's URL named a user."""
        if self.user is None:
            return None
        return b"Basic " + base64.b64encode(f"{self.user}:{self.password}".encode())

    @property
    def socks(self) -> bool:
        """Whether it speaks SOCKS5 and not HTTP."""
        return self.scheme.startswith("socks5")


def parse_proxy(url: str) -> Proxy:
    """Return the proxy that `url` names; raises `ConfigError`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # what it says would quote a part of the URL, which may be one of the password
        raise ConfigError(f"proxy={_shown(url)!r}: not a URL, or its port is none") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise ConfigError(
            f"proxy={_shown(url)!r}: a proxy is http://, https://, socks5:// or socks5h://[user:password@]host[:port]"
        )
    if parts.scheme.startswith("socks5"):
        _socksio(url)
    user = None if parts.username is None else unquote(parts.username)
    return Proxy(parts.scheme, parts.hostname, port or PORTS[parts.scheme], user, unquote(parts.password or ""))


def _shown(url: str) -> str:
    """Return `url` without anything that could be a password: what is before an @, or all of what is no URL."""
    scheme, separator, rest = url.partition("://")
    if separator:
        return redact_url(f"{scheme}://{rest.rpartition('@')[2]}")
    return "(not shown)" if ":" in url or "@" in url else url


def _socksio(url: str = "") -> Any:
    try:
        import socksio.socks5  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(
            f"proxy={redact_url(url)!r}: SOCKS needs the extra: install resilient-client[socks]"
        ) from None
    return socksio.socks5


async def _send(stream: Stream, data: bytes, until: float) -> None:
    while data:
        data = data[await stream.send(data, until) :]


def _refused(why: str, *, lasting: bool = False) -> WireError:
    """Return the error that a proxy's no is; `lasting` when it will say so again, as to a wrong password."""
    return WireError(FailureKind.CONNECT, f"the proxy {why}", sent=False, lasting=lasting)


async def tunnel(stream: Stream, proxy: Proxy, target: Url, until: float) -> None:
    """Ask an HTTP proxy for a tunnel to `target`; raises `WireError` when it says no."""
    port = target.port or PORTS[target.scheme]
    name = f"{target.netloc_host}:{port}".encode("ascii")
    headers = [(b"Host", name)]
    if proxy.authorization is not None:
        headers.append((b"Proxy-Authorization", proxy.authorization))
    parser = h11.Connection(h11.CLIENT)
    request = parser.send(h11.Request(method=b"CONNECT", target=name, headers=headers))
    await _send(stream, request or b"", until)
    try:
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await stream.receive(until))
            elif isinstance(event, h11.Response):
                break
            elif not isinstance(event, h11.InformationalResponse):
                raise _refused("closed the connection")
    except h11.RemoteProtocolError as problem:
        raise _refused(f"did not answer with HTTP ({problem})") from problem
    if not 200 <= event.status_code < 300:
        answer = f"answered {event.status_code} {event.reason.decode('latin-1')}".strip()
        raise _refused(answer, lasting=event.status_code not in TRANSIENT_STATUSES)
    if parser.trailing_data[0]:
        raise _refused("sent bytes before the tunnel was used")


async def _reply(stream: Stream, until: float, *, address: bool) -> bytes:
    """Return one whole SOCKS5 reply, however many pieces it comes in: two bytes, or one that ends with an address."""
    reply = b""
    while len(reply) < (_length(reply) if address else 2):
        data = await stream.receive(until)
        if not data:
            raise _refused("closed the connection")
        reply += data
    return reply


def _length(reply: bytes) -> int:
    if len(reply) < 5:
        return 5
    return 6 + {1: 4, 4: 16}.get(reply[3], reply[4] + 1)  # RFC 1928, section 6


async def socks5(stream: Stream, proxy: Proxy, target: Url, until: float) -> None:
    """Ask a SOCKS5 proxy for a connection to `target`; raises `WireError` when it says no."""
    socks = _socksio()
    connection = socks.SOCKS5Connection()
    methods = socks.SOCKS5AuthMethod
    method = methods.NO_AUTH_REQUIRED if proxy.user is None else methods.USERNAME_PASSWORD

    async def ask(message: Any, *, address: bool = False) -> Any:
        connection.send(message)
        await _send(stream, connection.data_to_send(), until)
        return connection.receive_data(await _reply(stream, until, address=address))

    try:
        if (await ask(socks.SOCKS5AuthMethodsRequest([method]))).method != method:
            raise _refused("wants another way to authenticate", lasting=True)
        if proxy.user is not None:
            login = socks.SOCKS5UsernamePasswordRequest(proxy.user.encode(), proxy.password.encode())
            if not (await ask(login)).success:
                raise _refused("did not accept user and password", lasting=True)
        where = (target.host.encode("ascii"), target.port or PORTS[target.scheme])
        command = socks.SOCKS5CommandRequest.from_address(socks.SOCKS5Command.CONNECT, where)
        reply = await ask(command, address=True)
        if reply.reply_code != socks.SOCKS5ReplyCode.SUCCEEDED:
            lasting = reply.reply_code is socks.SOCKS5ReplyCode.CONNECTION_NOT_ALLOWED_BY_RULESET
            raise _refused(f"could not connect ({reply.reply_code.name.lower().replace('_', ' ')})", lasting=lasting)
    except WireError:
        raise
    except (OSError, TimeoutError):
        raise
    except Exception as problem:
        raise _refused(f"does not speak SOCKS5 ({problem})") from problem
