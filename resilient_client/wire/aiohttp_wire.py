"""A wire over aiohttp's own interface, for tasks: its parser in C and its pool; limits, codings, redirects are ours."""

from __future__ import annotations

import asyncio
import os
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from resilient_client.exchange import Answer, WireError
from resilient_client.headers import Headers
from resilient_client.wire.aiohttp_errors import of_aiohttp
from resilient_client.wire.aiohttp_sessions import HOP, Hop, Session, Sessions
from resilient_client.wire.auth_flows import AuthenticatingWire
from resilient_client.wire.bodies import Pieces
from resilient_client.wire.choices import refuse
from resilient_client.wire.heads import check_head
from resilient_client.wire.sockets.timing import TICK
from resilient_client.wire.tls_settings import TlsSettings

if TYPE_CHECKING:
    from resilient_client.exchange import Limits, RawHeaders, WireRequest
    from resilient_client.wire.options import WireOptions
    from resilient_client.wire.proxies import Proxy

NAME: Final = "aiohttp"

IN_ONE_PIECE: Final = 64 * 1024
"""Bytes of a body that is handed over whole; aiohttp warns of those over 1 MiB, for they hold the event loop up."""

VERSIONS: Final = {(1, 0): "HTTP/1.0", (1, 1): "HTTP/1.1"}


@lru_cache(maxsize=1024)
def url_of(text: str) -> URL:
    """Return a URL that is sent as it stands."""
    return URL(text, encoded=True)


def make(options: WireOptions, *, asynchronous: bool, base_url: str | None) -> AiohttpWire:  # noqa: ARG001 - checked before
    """Return the wire for a client's options; raises `ConfigError` for what aiohttp cannot do."""
    proxy = options.through(base_url)
    if proxy is not None and proxy.scheme != "http":
        raise refuse(f"proxy={proxy.scheme}://{proxy.host}", NAME, "its library goes through http:// proxies only")
    tls = TlsSettings(options.roots(), options.cert, key_log=options.key_log())
    sessions = Sessions(None if options.uds is None else os.fspath(options.uds), options.local_address)
    return AiohttpWire(sessions, tls, proxy)


class AiohttpWire(AuthenticatingWire):
    """A wire for tasks. Every wait ends with the attempt; a task that is cancelled closes its connection at once."""

    name = NAME
    asynchronous = True
    judges_addresses = True

    def __init__(self, sessions: Sessions, tls: TlsSettings, proxy: Proxy | None) -> None:
        self._sessions = sessions
        self._tls = tls
        self._proxy = _for_aiohttp(proxy)

    async def _exchange(self, request: WireRequest, limits: Limits, *, fresh: bool) -> Answer:
        session = self._sessions.get(fresh=fresh, public_only=limits.public_only)
        hop = Hop(limits)
        session.users.enter()
        try:
            response = _checked(await self._begun(session, request, hop))
        except BaseException as problem:
            hop.cut()
            session.users.leave()
            if isinstance(problem, WireError) or not isinstance(problem, Exception):
                raise
            cause = None if isinstance(problem, aiohttp.ClientResponseError) else problem  # its text has the whole URL
            raise of_aiohttp(problem, hop, request.url.origin) from cause
        version = VERSIONS.get(response.version or (1, 1), "HTTP/1.1")
        body = AiohttpBody(response, session, hop)
        headers = Headers.received(response.raw_headers)
        return Answer(response.status, headers, body, hop.reused, version, hop.peer)

    async def _begun(self, session: Session, request: WireRequest, hop: Hop) -> aiohttp.ClientResponse:
        """Send a request and return its response when the head has come."""
        limits, url = hop.limits, request.url
        left = limits.attempt_until - limits.clock()
        if left <= 0:
            raise WireError(limits.attempt_kind, "the time was up before the request was sent", sent=False)
        options: dict[str, Any] = {**self._proxy, **_sent(request)}
        if url.scheme == "http":  # of a proxy without a tunnel, aiohttp forgets the fields that are for it
            options["headers"].extend(self._proxy.get("proxy_headers", {}))
        else:
            options["ssl"] = self._tls.context()
            options["server_hostname"] = url.host.removesuffix(".")
        HOP.set(hop)
        async with asyncio.timeout(None if left == inf else left + TICK):
            return await session.client.request(
                request.method,
                url_of(url.text),
                allow_redirects=False,
                timeout=_timeouts(limits.connect, limits.read),
                **options,
            )

    async def close(self) -> None:
        """Close every connection; those in use when their answer was read."""
        self._sessions.close()


def _checked(response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
    """Return `response`; raises `WireError` for a head that ours would not take, and lets go of the rest."""
    try:
        check_head(response.status, response.raw_headers, response.headers.get)
    except BaseException:
        response.close()  # else aiohttp warns of it, with its whole URL
        raise
    return response


@lru_cache(maxsize=256)
def _timeouts(connect: float, read: float) -> aiohttp.ClientTimeout:
    """Return aiohttp's timeouts; the attempt's own is around all of them."""
    return aiohttp.ClientTimeout(
        total=None,
        connect=None if connect == inf else connect,
        sock_read=None if read == inf else read,
        ceil_threshold=inf,
    )


def _for_aiohttp(proxy: Proxy | None) -> dict[str, Any]:
    if proxy is None:
        return {}
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    authorization = proxy.authorization
    fields = {} if authorization is None else {"Proxy-Authorization": authorization.decode("ascii")}
    return {"proxy": URL(f"http://{host}:{proxy.port}"), "proxy_headers": fields}


def _sent(request: WireRequest) -> dict[str, Any]:
    """Return fields and body of a request. aiohttp frames what has no length, and wants to name that itself."""
    content = request.body.content
    if content is not None and len(content) <= IN_ONE_PIECE:
        return {"headers": _fields(request.headers), "data": content or None}
    framed = [pair for pair in request.headers if pair[0].lower() != b"transfer-encoding"]
    chunked = True if len(framed) < len(request.headers) else None
    return {"headers": _fields(framed), "data": aiter(Pieces(request.body, request.headers)), "chunked": chunked}


def _fields(raw: RawHeaders) -> CIMultiDict[str]:
    return CIMultiDict([(name.decode("ascii"), value.decode("latin-1")) for name, value in raw])


class AiohttpBody:
    """The body of an answer; aiohttp reads ahead by at most 128 KiB."""

    __slots__ = ("_content", "_hop", "_response", "_session")

    def __init__(self, response: aiohttp.ClientResponse, session: Session, hop: Hop) -> None:
        self._response: aiohttp.ClientResponse | None = response
        self._content = response.content
        self._session = session
        self._hop = hop

    async def read(self) -> bytes:
        """Return the next bytes, empty at the end; raises `WireError`."""
        response, limits = self._response, self._hop.limits
        if response is None:
            return b""
        try:
            data = self._content.read_nowait()
            if not data and not self._content.at_eof():
                left = limits.attempt_until - limits.clock()
                async with asyncio.timeout(None if left == inf else max(0.0, left) + TICK):
                    data = await self._content.readany()
        except BaseException as problem:
            where = str(response.url.origin())
            self.abort()
            if not isinstance(problem, Exception):
                raise
            raise of_aiohttp(problem, self._hop, where, in_body=True) from problem
        if data:
            limits.check("reading the body", sent=True)
        else:
            self._response = None
            response.release()
            self._session.users.leave()
        return data

    def abort(self) -> None:
        """Let go of the rest, and of the connection at once."""
        response, self._response = self._response, None
        if response is not None:
            response.close()
            self._hop.cut()
            self._session.users.leave()
