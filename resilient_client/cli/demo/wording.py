"""Numbers as people read them in a table: durations, shares, lists."""

from __future__ import annotations

from collections.abc import Iterable

NOTHING = "-"
"""Stands where there is no number."""


def duration(seconds: float | None) -> str:
    """Return `12 ms` or `1.25 s`."""
    if seconds is None:
        return NOTHING
    if seconds < 0.001:
        return "< 1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def percent(share: float | None) -> str:
    """Return `97 %`; only all of something is 100 %, and only nothing is 0 %."""
    if share is None:
        return NOTHING
    if 0.995 <= share < 1:
        return "> 99 %"
    return "< 1 %" if 0 < share < 0.005 else f"{share * 100:.0f} %"


def number(value: float | None) -> str:
    """Return two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


def listed(parts: Iterable[str]) -> str:
    """Return `a, b and c`."""
    *before, last = parts
    return f"{', '.join(before)} and {last}" if before else last
