"""Clients of pyreqwest: what they do by themselves switched off, TLS and proxy as asked for, one per pair of timeouts.

Connect and read timeouts belong to a client there, which is why each pair that is in use has one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pyreqwest.proxy import ProxyBuilder

from resilient_client.errors import ConfigError
from resilient_client.exchange import WireError
from resilient_client.forking import generation
from resilient_client.result import FailureKind
from resilient_client.wire.choices import refuse
from resilient_client.wire.pool import KEEPALIVE, MAX_IDLE
from resilient_client.wire.pyreqwest_errors import causes_of
from resilient_client.wire.tls_settings import Cert, TlsSettings

if TYPE_CHECKING:
    from resilient_client.exchange import Limits
    from resilient_client.policy import Timeouts
    from resilient_client.wire.options import WireOptions
    from resilient_client.wire.proxies import Proxy

NAME: Final = "pyreqwest"

AT_ONCE: Final = 64 * 1024
"""Bytes of a body that come with its head, and of one that goes out with its head."""

MOST_CLIENTS: Final = 16
"""Clients of pyreqwest that a wire keeps: one per pair of connect and read timeouts in use."""

_home = -1
"""The process, by its generation, that pyreqwest's thread runs in; -1 before there is one."""


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


Key = tuple[float, float, bool]
"""What a client of pyreqwest is made for: connect and read timeout in seconds, and whether it keeps no connection."""


@lru_cache(maxsize=4096)
def _duration(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


def duration(seconds: float) -> timedelta:
    """Return `seconds` in whole milliseconds, upwards: who ends then must find that the time is up."""
    return _duration(int(seconds * 1000) + 1)


def why_not(problem: Exception) -> str:
    """Return why there is no client, such as that this machine has no roots."""
    return f"no client could be made: {': '.join(causes_of(problem))}"


class Clients:
    """The clients of one wire."""

    def __init__(self, options: ClientOptions, new_builder: Callable[[], Any], *, asynchronous: bool) -> None:
        self._options = options
        self._new_builder = new_builder
        self._asynchronous = asynchronous
        self._kept: dict[Key, Any] = {}

    def prepare(self, timeouts: Timeouts) -> None:
        """Make the client for calls with these timeouts now: it takes milliseconds; raises `ConfigError`."""
        connect, read, attempt = (
            inf if value is None else value for value in (timeouts.connect, timeouts.read, timeouts.attempt)
        )
        key = (connect, inf if attempt <= read else read, False)
        if key in self._kept or len(self._kept) >= MOST_CLIENTS:
            return
        try:
            self._new_client(key)
        except ValueError as problem:
            raise ConfigError(f"wire='pyreqwest': {why_not(problem)}") from problem

    def forget(self) -> None:
        """Let go of all: idle connections are closed, those in use when their answer was read."""
        self._kept = {}

    def get(self, limits: Limits, content: bytes | None, *, fresh: bool) -> Any:
        """Return which client takes a request.

        Its read timeout runs from the start of a request to its head. So there is none for a request that takes time
        to send, and none for one that has no more time than that.
        """
        if _home != generation():
            _claim_the_thread()
        read = limits.read
        client = self._kept.get((limits.connect, read, fresh))
        if content is None or len(content) > AT_ONCE:
            read = inf
        elif limits.stream_until is not None and not self._asynchronous:
            left = limits.attempt_until - limits.clock()
            read = read if left > 0.95 * read else _step_above(left)
        elif client is not None:
            return client
        elif limits.attempt_until - limits.clock() <= read:
            read = inf
        key = (limits.connect, read, fresh)
        try:
            return self._kept.get(key) or self._new_client(key)
        except ValueError as problem:
            raise WireError(FailureKind.LOCAL, why_not(problem), sent=False) from problem

    def _new_client(self, key: Key) -> Any:
        connect, read, fresh = key
        while len(self._kept) >= MOST_CLIENTS:
            with suppress(StopIteration, KeyError):  # another thread takes one out at the same time
                del self._kept[next(iter(self._kept))]
        builder = self._options.configure(self._new_builder()).pool_idle_timeout(duration(KEEPALIVE))
        builder = builder.pool_max_idle_per_host(0 if fresh else MAX_IDLE)
        if connect < inf:
            builder = builder.connect_timeout(duration(connect))
        if read < inf:
            builder = builder.read_timeout(duration(read))
        client = self._kept[key] = builder.build()
        return client


def _claim_the_thread() -> None:
    """Take pyreqwest's thread for this process; raises `WireError` in one that was forked from its owner."""
    global _home  # noqa: PLW0603 - there is one such thread per process
    if _home not in {-1, generation()}:
        why = "pyreqwest's thread stayed in the process that this one was forked from"
        raise WireError(FailureKind.LOCAL, f"{why}; use the default wire here, or begin with spawn", sent=False)
    _home = generation()


def _step_above(seconds: float) -> float:
    """Return the next of a few steps, an eighth apart, so that about the same time does not make one more client."""
    step = 2.0**-10
    while step < seconds:
        step *= 1.125
    return step
