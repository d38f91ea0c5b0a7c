"""The options of `client.websocket()`, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Final, TypedDict

from resilient_client.errors import ConfigError
from resilient_client.policy import Policy
from resilient_client.wire.requests import HeaderInput
from resilient_client.wire.urls import Params

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class SocketOptions(TypedDict, total=False):
    """The options of `websocket()`, besides `url`."""

    subprotocols: Sequence[str]
    """What to speak over it, most wanted first; the server chooses one or none: `socket.subprotocol`."""
    max_message: int | None
    """Bytes of the largest message to take; by default the policy's `max_body`."""
    ping_every: float | None
    """Seconds of silence after which whoever receives sends a ping (20); None: never."""
    pong_within: float
    """Seconds within which something must come after that ping (20), or the socket has failed."""
    params: Params | None
    """Query: a mapping or pairs, added to the URL's own."""
    headers: HeaderInput | None
    """Added to the client's, replacing those of the same name."""
    auth: Any
    """In place of the client's: (user, password), an `httpx.Auth`, or a function of the request."""
    policy: Policy | None
    """In place of the client's, for this call."""
    route: str | None
    """The low-cardinality name of the URL, such as "/rooms/{id}": the breaker's key and telemetry use it."""


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """How an open socket behaves, checked. Times are seconds."""

    subprotocols: tuple[str, ...] = ()
    max_message: int | None = None
    ping_every: float | None = 20.0
    pong_within: float = 20.0

    def __post_init__(self) -> None:
        for name in self.subprotocols:
            if not isinstance(name, str) or not TOKEN.fullmatch(name):
                raise ConfigError(f"subprotocols={self.subprotocols!r}: {name!r} is not a name, such as 'graphql-ws'")
        if len(set(self.subprotocols)) < len(self.subprotocols):
            raise ConfigError(f"subprotocols={self.subprotocols!r}: each name once")
        _check_bytes(self.max_message)
        if self.ping_every is not None:
            _check_seconds("ping_every", self.ping_every, " or None")
        _check_seconds("pong_within", self.pong_within)

    @classmethod
    def taken_from(cls, options: Mapping[str, Any]) -> tuple[SocketSettings, dict[str, Any]]:
        """Return the settings among the options of `websocket()`, and the options of its handshake."""
        unknown = options.keys() - SocketOptions.__optional_keys__
        if unknown:
            allowed = ", ".join(sorted(SocketOptions.__optional_keys__))
            raise TypeError(f"unknown option {min(unknown)}=; websocket() allows {allowed}")
        names = {one.name for one in fields(cls)}
        given = {name: value for name, value in options.items() if name in names}
        if "subprotocols" in given:
            given["subprotocols"] = _names(given["subprotocols"])
        return cls(**given), {name: value for name, value in options.items() if name not in names}


def _names(subprotocols: Any) -> tuple[str, ...]:
    if isinstance(subprotocols, (str, bytes)) or not isinstance(subprotocols, Sequence):
        raise TypeError(f"subprotocols={subprotocols!r}: give a list of names, such as ['graphql-ws']")
    return tuple(subprotocols)


def _check_bytes(most: Any) -> None:
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise ConfigError(f"max_message={most!r}: give a whole number of bytes, at least 1, or None")


def _check_seconds(name: str, seconds: Any, more: str = "") -> None:
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not isfinite(seconds) or seconds <= 0:
        raise ConfigError(f"{name}={seconds!r}: give seconds above 0{more}")
