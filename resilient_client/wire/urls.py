"""URLs: taken apart once, joined without ever leaving the place the client was made for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from resilient_client.errors import ConfigError
from resilient_client.exchange import Url
from resilient_client.redact import shortened, shown_url
from resilient_client.wire.plain_urls import plain_parts, plain_target

if TYPE_CHECKING:
    import httpx

Params = Mapping[str, Any] | Sequence[tuple[str, Any]] | str | bytes

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST: Final = re.compile(r"(?!\.)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
"""Labels of letters, digits, hyphens and, as real names have them, underscores."""

SCHEMES: Final = frozenset(("http", "https"))

WEBSOCKET_SCHEMES: Final = {"ws": "http", "wss": "https"}

MAX_PLACES: Final = 1024
"""Servers that a client without base remembers; one that calls more of them takes each URL apart."""


def _checked(url: httpx.URL, shown: str) -> Url:
    if url.scheme not in SCHEMES:
        raise ConfigError(f"url={shown!r}: the scheme must be http or https")
    if not url.raw_host:
        raise ConfigError(f"url={shown!r}: there is no host in it")
    if url.userinfo:
        raise ConfigError(f"url={shown!r}: credentials do not belong in a URL; use auth=(user, password)")
    host = url.raw_host.decode("ascii")
    if ":" not in host and not _HOST.fullmatch(host):
        raise ConfigError(f"url={shown!r}: {shortened(host)!r} is not a host name")
    return Url(url.scheme, host, url.port, url.raw_path.decode("ascii"))


_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_PORT = re.compile(r":([^:\]@]*)$")


def _parse(text: str, shown: str) -> httpx.URL:
    """Parse `text`; its port is looked at here, because httpx wraps one that is too large."""
    authority = _AUTHORITY.match(text)
    port = _PORT.search(authority[1]) if authority else None
    if port and port[1] and not (re.fullmatch(r"[0-9]{1,5}", port[1]) and 1 <= int(port[1]) <= 65535):
        raise ConfigError(f"url={shown!r}: the port must be 1 to 65535")
    import httpx  # noqa: PLC0415 - for URLs that are new; a client has loaded it

    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError) as problem:
        raise ConfigError(f"url={shown!r}: not a URL ({shortened(str(problem))})") from None


def parse_url(text: str, *, base: Url | None = None) -> Url:
    """Return `text`, relative to `base` when there is one; raises `ConfigError` (a `ValueError`)."""
    shown = shown_url(text)
    if base is None or _SCHEME.match(text):
        return _checked(_parse(text, shown), shown)
    import httpx  # noqa: PLC0415

    try:
        joined = httpx.URL(str(base)).join(text)
    except (httpx.InvalidURL, ValueError) as problem:
        raise ConfigError(f"url={shown!r}: not a URL ({shortened(str(problem))})") from None
    return _checked(_parse(str(joined), shown), shown)


def _parse_base(base_url: str) -> Url:
    try:
        return parse_url(base_url)
    except ConfigError as problem:
        hint = "" if "://" in base_url or "@" in base_url else f"; did you mean 'http://{shown_url(base_url)}'?"
        raise ConfigError(f"base_{problem}{hint}") from None


def as_http(url: str) -> str:
    """Return a ws or wss URL as the http or https URL that its handshake goes to (RFC 6455, section 3)."""
    scheme, separator, rest = url.partition("://")
    return f"{WEBSOCKET_SCHEMES[scheme.lower()]}://{rest}" if separator and scheme.lower() in WEBSOCKET_SCHEMES else url


class Base:
    """Where a client's relative URLs start. Joined URLs are remembered: services call few and call them often."""

    def __init__(self, base_url: str | None, *, allow_other_origins: bool = False) -> None:
        self.allow_other_origins = allow_other_origins
        self.url: Url | None = None
        self._prefix = "/"
        if base_url is not None:
            if not isinstance(base_url, str):
                raise TypeError(f"base_url={base_url!r}: give a str")
            self.url = _parse_base(base_url)
            if "?" in self.url.target or "#" in base_url:
                raise ConfigError(f"base_url={shown_url(base_url)!r}: a base URL has no query and no fragment")
            self._prefix = self.url.target.rstrip("/") + "/"
        self._places: dict[str, Url] = {}
        self._join = lru_cache(maxsize=1024)(self._join_new)

    def join(self, url: str, params: Params | None = None) -> Url:
        """Return the absolute URL of a call; raises `ConfigError` when it would leave the base."""
        if not isinstance(url, str):
            raise TypeError(f"url={url!r}: give a str")
        joined = self._join(url)
        return joined if params is None else _with_params(joined, params)

    def path_inside(self, url: Url) -> str | None:
        """Return the path of `url` as a call to this base would write it; None when it is somewhere else."""
        path = url.target.partition("?")[0]
        if self.url is None:
            return path
        if (url.host, url.scheme, url.port) != (self.url.host, self.url.scheme, self.url.port):
            return None
        return path[len(self._prefix) - 1 :] or "/" if (path + "/").startswith(self._prefix) else None

    def _join_new(self, url: str) -> Url:
        if self.url is not None and (target := plain_target(url)) is not None:
            return self.url.at(self._prefix + target)
        if self.url is None and (parts := plain_parts(url)) is not None:
            return self._place(url, parts[0]).at(parts[1])
        return self._join_any(url)

    def _place(self, url: str, place: str) -> Url:
        """Return where `url` is, of which `place` is the beginning."""
        known = self._places.get(place)
        if known is None:
            known = parse_url(url)
            if len(self._places) < MAX_PLACES:
                self._places[place] = known
        return known

    def _join_any(self, url: str) -> Url:
        if self.url is None:
            if not _SCHEME.match(url):
                raise ConfigError(
                    f"url={shown_url(url)!r}: a URL without scheme needs a client with base_url; "
                    f"write it in full (https://...) or give the client base_url=..."
                )
            return parse_url(url)
        if _SCHEME.match(url) or url.replace("\\", "/").startswith("//"):  # browsers read a backslash so
            return self._absolute(url.replace("\\", "/"))
        self._refuse_climbing(url)
        path, mark, query = url.partition("?")
        return parse_url(str(self._at(self._prefix + path.lstrip("/") if path else self.url.target) + mark + query))

    def _at(self, target: str) -> str:
        assert self.url is not None  # noqa: S101 - only called with a base
        return str(Url(self.url.scheme, self.url.host, self.url.port, target))

    def _absolute(self, url: str) -> Url:
        assert self.url is not None  # noqa: S101 - only called with a base
        target = parse_url(url if _SCHEME.match(url) else f"{self.url.scheme}:{url}")
        inside = target.origin == self.url.origin and (target.target.partition("?")[0] + "/").startswith(self._prefix)
        if inside:
            self._refuse_climbing(target.target[len(self._prefix) :])
        if not inside and not self.allow_other_origins:
            raise ConfigError(
                f"url={shown_url(url)!r}: leaves base_url {self._at(self._prefix)}, and the client's headers and "
                f"credentials would go with it; allow it with allow_other_origins=True or use another client"
            )
        return target

    def _refuse_climbing(self, url: str) -> None:
        from urllib.parse import unquote  # noqa: PLC0415 - httpx has loaded it

        depth = 0
        for segment in unquote(url.partition("?")[0].partition("#")[0]).replace("\\", "/").split("/"):
            depth += {"": 0, ".": 0, "..": -1}.get(segment, 1)
            if depth < 0:
                raise ConfigError(f"url={shown_url(url)!r}: '..' leads out of base_url {self._at(self._prefix)}")


def _with_params(url: Url, params: Params) -> Url:
    import httpx  # noqa: PLC0415

    path, mark, own = url.target.partition("?")
    try:
        added = httpx.QueryParams(cast("Any", params))
        query = httpx.QueryParams([*httpx.QueryParams(own).multi_items(), *added.multi_items()]) if mark else added
        written = str(query)
    except (TypeError, ValueError, AttributeError, IndexError) as problem:
        raise TypeError(f"params={type(params).__name__}: give a mapping or pairs of names and values") from problem
    return url.at(f"{path}?{written}" if written else path)


@lru_cache(maxsize=1024)
def httpx_url(url: Url) -> httpx.URL:
    """Return `url` as httpx's class; remembered."""
    import httpx  # noqa: PLC0415

    return httpx.URL(str(url))
