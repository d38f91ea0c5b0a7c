"""Attribute values with a bound on how many there are: what comes later is `_OTHER`, so that series stay few."""

from __future__ import annotations

from typing import Final

OTHER: Final = "_OTHER"

MOST: Final = 200
"""Different values of one attribute that are told apart."""

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
"""The methods that OpenTelemetry's HTTP conventions know."""


class Bounded:
    """The first values that come, and `_OTHER` for all others."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: set[object] = set()

    def admits(self, value: object) -> bool:
        """Return whether `value` is told apart."""
        if value in self._known:
            return True
        if len(self._known) >= self._most:
            return False
        self._known.add(value)
        return True

    def __call__(self, value: str) -> str:
        """Return `value`, or `_OTHER`."""
        return value if self.admits(value) else OTHER


def method_of(method: str) -> str:
    """Return a method as an attribute: one that the conventions do not know is `_OTHER`."""
    return method if method in METHODS else OTHER
