"""From the arguments of a verb to one request: URL, header fields, body, auth. Whatever is wrong is said here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias, cast

from resilient_client.errors import ConfigError
from resilient_client.exchange import Body, RawHeaders, Url, WireRequest
from resilient_client.wire.bodies import EMPTY
from resilient_client.wire.decoders import accepted
from resilient_client.wire.encoding import encode
from resilient_client.wire.urls import Base, Params

HeaderValue: TypeAlias = str | bytes | Callable[[], str]
"""The value of a field; a client's may be a function that is asked at each call."""

HeaderInput: TypeAlias = Mapping[str, HeaderValue] | Sequence[tuple[str, HeaderValue]]

IDEMPOTENCY_KEY: Final = b"Idempotency-Key"

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_FORBIDDEN = frozenset(b"\r\n\0")


@cache
def defaults() -> RawHeaders:
    """Return the fields that every request has."""
    return [(b"Accept", b"*/*"), (b"Accept-Encoding", accepted()), (b"User-Agent", b"resilient-client")]


METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")
"""The ones that need no check, by how often they are used."""

MAX_PLAIN: Final = 1024
"""Servers that ready-made header fields are kept for, and calls without options whose requests are."""

METHODS_WITH_LENGTH: Final = frozenset(("POST", "PUT", "PATCH"))


def encode_headers(headers: HeaderInput | None, argument: str = "headers") -> RawHeaders:
    """Return header fields as bytes; raises `TypeError` or `ValueError` naming the field that cannot be sent."""
    if headers is None:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    try:
        return [(_name(name, argument), _value(name, value, argument)) for name, value in pairs]
    except (TypeError, ValueError) as problem:
        if argument in str(problem):
            raise
        raise TypeError(f"{argument}={type(headers).__name__}: give a mapping or pairs of names and values") from None


def _name(name: Any, argument: str) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"{argument}: the name {name!r} must be a str")
    raw = name.encode("utf-8")
    if not raw or not _TOKEN.issuperset(raw):
        raise ValueError(f"{argument}: {name!r} is not a header name; names are letters, digits and - _ . and the like")
    return raw


def _value(name: Any, value: Any, argument: str) -> bytes:
    if isinstance(value, str):
        try:
            raw = value.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(
                f"{argument}[{name!r}]: the value has characters outside Latin-1; percent-encode it or give bytes"
            ) from None
    elif isinstance(value, bytes):
        raw = value
    elif callable(value):
        return _value(name, _asked(name, cast("Callable[[], str]", value), argument), argument)
    else:
        raise TypeError(f"{argument}[{name!r}]: the value must be a str, not {type(value).__name__}; write str(...)")
    if not _FORBIDDEN.isdisjoint(raw):
        raise ValueError(f"{argument}[{name!r}]: the value must not contain CR, LF or NUL")
    return raw.strip()


def _asked(name: Any, ask: Callable[[], str], argument: str) -> str:
    try:
        return ask()
    except Exception as problem:
        told = str(problem) if isinstance(problem, ConfigError) else f"its function raised {problem!r}"
        raise ConfigError(f"{argument}[{name!r}]: {told}") from problem


def merge(*layers: RawHeaders) -> RawHeaders:
    """Return the fields of all layers, a later one replacing those of the same name in earlier ones."""
    merged = layers[0]
    for layer in layers[1:]:
        if layer:
            replaced = {name.lower() for name, _ in layer}
            merged = [pair for pair in merged if pair[0].lower() not in replaced] + layer
    return merged


def resolve_auth(auth: Any) -> Any:
    """Return `auth` as a flow that httpx understands; raises `TypeError`."""
    if auth is None or hasattr(auth, "sync_auth_flow"):
        return auth
    import httpx  # noqa: PLC0415 - a client has loaded it

    from resilient_client.wire.auth_flows import FunctionAuth  # noqa: PLC0415

    if isinstance(auth, (tuple, list)) and len(auth) == 2 and all(isinstance(part, (str, bytes)) for part in auth):
        return httpx.BasicAuth(auth[0], auth[1])
    if callable(auth):
        return FunctionAuth(cast("Callable[[httpx.Request], httpx.Request]", auth))
    raise TypeError(f"auth={type(auth).__name__}: give (user, password), an httpx.Auth, or a function of the request")


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What a client adds to each request; the arguments of both facades."""

    base_url: str | None = None
    headers: HeaderInput | None = None
    auth: Any = None
    allow_other_origins: bool = False


class RequestBuilder:
    """What every request of a client starts from."""

    def __init__(self, options: RequestOptions, *, asynchronous: bool = False) -> None:
        self.base = Base(options.base_url, allow_other_origins=options.allow_other_origins)
        headers = options.headers
        own = encode_headers(headers)
        for name, _ in own:
            if name.lower() in {b"content-length", b"transfer-encoding"}:
                raise ValueError(
                    f"headers[{name.decode()!r}]: that belongs to one request, not to a client; leave it out"
                )
        self._headers = merge(defaults(), own)
        values = headers.values() if isinstance(headers, Mapping) else [pair[1] for pair in headers or ()]
        self._asked = headers if any(map(callable, values)) else None
        self._auth = resolve_auth(options.auth)
        self._asynchronous = asynchronous
        self._plain: dict[tuple[str, int | None, bool], RawHeaders] = {}
        self._known: dict[tuple[str, str], tuple[str, Url, RawHeaders]] = {}

    def plain(self, method: str, url: str) -> WireRequest:
        """Return the request of a call without options; what goes into it is remembered. Raises as `build` does."""
        try:
            known = self._known.get((method, url))
        except TypeError:  # a method or a URL of some other type, of which `build` says what it should be
            known = None
        if known is None:
            request = self.build(check_method(method), url)
            if self._asked is None:
                if len(self._known) >= MAX_PLAIN:
                    self._known.clear()
                self._known[method, url] = request.method, request.url, request.headers
            return request
        method, target, fields = known
        return WireRequest(method, target, fields, EMPTY, self._auth)

    def build(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: HeaderInput | None = None,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        auth: Any = None,
        idempotency_key: str | None = None,
    ) -> WireRequest:
        """Return the request of one call; raises `TypeError`, `ValueError` or `ConfigError`."""
        target = self.base.join(url, params)
        auth = self._auth if auth is None else resolve_auth(auth)
        bodiless = content is data is files is json is None
        if bodiless and headers is None and idempotency_key is None and self._asked is None:
            return WireRequest(method, target, self._plain_fields(method, target), EMPTY, auth)
        if bodiless:
            body, described = _nothing(method)
        else:
            body, described = encode(
                content=content, data=data, files=files, json=json, asynchronous=self._asynchronous
            )
        own = encode_headers(headers)
        described = _framed(body, described, own)
        if idempotency_key is not None:
            if any(name.lower() == b"idempotency-key" for name, _ in own):
                raise ValueError("headers['Idempotency-Key'] and idempotency_key= were both given; a call has one key")
            own.append((IDEMPOTENCY_KEY, _value("Idempotency-Key", idempotency_key, "idempotency_key")))
        ours = self._headers if self._asked is None else merge(defaults(), encode_headers(self._asked))
        fields = merge(ours, described, own) if described or own else ours
        return WireRequest(method, target, _with_host(fields, target), body, auth)

    def _plain_fields(self, method: str, target: Url) -> RawHeaders:
        """Return the fields of a request without body that brings none of its own; shared, so never to be changed."""
        key = (target.netloc_host, target.port, method in METHODS_WITH_LENGTH)
        fields = self._plain.get(key)
        if fields is None:
            _, described = _nothing(method)
            fields = _with_host(merge(self._headers, described), target)
            if len(self._plain) < MAX_PLAIN:
                self._plain[key] = fields
        return fields


def _framed(body: Body, described: RawHeaders, own: RawHeaders) -> RawHeaders:
    """Return the fields that describe the body, with the length a caller gave for one that has none of its own."""
    lengths = [value for name, value in own if name.lower() == b"content-length"]
    if any(name.lower() == b"transfer-encoding" for name, _ in own):
        raise ValueError("headers['Transfer-Encoding']: framing is the client's own; leave it out")
    if not lengths:
        return described
    if len(lengths) > 1 or not lengths[0].isdigit():
        raise ValueError(f"headers['Content-Length']: give one whole number, not {b', '.join(lengths)!r}")
    known = body.content
    if known is not None and len(known) != int(lengths[0]):
        raise ValueError(f"headers['Content-Length']={int(lengths[0])}: the body has {len(known)} bytes; leave it out")
    return [pair for pair in described if pair[0].lower() not in {b"transfer-encoding", b"content-length"}]


def _nothing(method: str) -> tuple[Body, RawHeaders]:
    body, _ = encode()
    return body, [(b"Content-Length", b"0")] if method in METHODS_WITH_LENGTH else []


def _with_host(fields: RawHeaders, url: Url) -> RawHeaders:
    if any(name.lower() == b"host" for name, _ in fields):
        return fields
    return [(b"Host", _host(url)), *fields]


def _host(url: Url) -> bytes:
    return (url.netloc_host if url.port is None else f"{url.netloc_host}:{url.port}").encode("ascii")


def with_host(request: WireRequest) -> WireRequest:
    """Return `request` with the Host field of its URL unless it has one, for one that was made from another."""
    if not any(name.lower() == b"host" for name, _ in request.headers):
        request.headers = [(b"Host", _host(request.url)), *request.headers]
    return request


def idempotency_key_of(request: WireRequest) -> str | None:
    """Return the key a request carries, whichever way it was given."""
    for name, value in request.headers:
        if len(name) == len(IDEMPOTENCY_KEY) and name.lower() == b"idempotency-key":
            return value.decode("latin-1") or None
    return None


def new_idempotency_key() -> str:
    """Return a key nobody else has."""
    import uuid  # noqa: PLC0415 - it looks for ways to make them when it is loaded

    return str(uuid.uuid4())


def check_method(method: Any) -> str:
    """Return the method in upper case; raises `TypeError` or `ValueError`."""
    if method in METHODS:
        return str(method)
    if not isinstance(method, str):
        raise TypeError(f"method={method!r}: give a str such as 'GET'")
    if not method or not _TOKEN.issuperset(method.encode("utf-8")):
        raise ValueError(f"method={method!r}: not an HTTP method")
    if method.upper() == "CONNECT":
        raise ValueError("method='CONNECT': a tunnel is no request; use proxy=")
    return method.upper()
