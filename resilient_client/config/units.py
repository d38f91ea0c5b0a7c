"""Durations and sizes as people write them: `250ms`, `1m30s`, `10MiB`; and back.

Durations are those of the Kubernetes Gateway API (GEP-2257): up to four whole numbers of at most five digits, each with
`h`, `m`, `s` or `ms`, added up. Sizes are whole numbers with `B`, `KiB`, `MiB` or `GiB`.
"""

from __future__ import annotations

import re
from typing import Final

MILLISECONDS: Final = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
BYTES: Final = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}

MOST_MILLISECONDS: Final = 4 * 99_999 * MILLISECONDS["h"]

DURATION: Final = r"([0-9]{1,5}(h|m|s|ms)){1,4}"
SIZE: Final = r"[0-9]{1,15}(B|KiB|MiB|GiB)"

_DURATION = re.compile(DURATION)
_PART = re.compile(r"([0-9]+)(ms|[hms])")
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")
_FRACTION = re.compile(r"([0-9]+\.[0-9]+)(ms|[hms])")
_DECIMAL = re.compile(r"([0-9]+) ?([kKMG])i?[bB]?")


def parse_duration(text: str) -> float:
    """Return the seconds of `1m30s`; raises `ValueError` that says what to write instead."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"not a duration{_instead(text)}")
    return sum(int(number) * MILLISECONDS[unit] for number, unit in _PART.findall(text)) / 1000


def _instead(text: str) -> str:
    fraction = _FRACTION.fullmatch(text.replace(" ", ""))
    if fraction:
        whole = float(fraction[1]) * MILLISECONDS[fraction[2]]
        if whole > MOST_MILLISECONDS:
            return ""
        return f'; write whole numbers, as in "{format_duration(round(whole) / 1000)}"'
    if text.strip().isdecimal():
        return f'; did you mean "{text.strip()}s"?'
    plain = re.fullmatch(r"([0-9]{1,5})(h|m|s|ms)[a-z]*", text.replace(" ", "").lower())
    return f'; did you mean "{plain[1]}{plain[2]}"?' if plain else ""


def format_duration(seconds: float) -> str:
    """Return `seconds` as `1m30s`; a number with a fraction of a millisecond stays a number: `0.0005`."""
    left = round(seconds * 1000)
    if left / 1000 != seconds or left >= 99_999 * MILLISECONDS["h"]:
        return repr(seconds)
    parts: list[str] = []
    for unit, worth in MILLISECONDS.items():
        count, left = divmod(left, worth)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Return the bytes of `10MiB`; raises `ValueError` that says what to write instead."""
    found = _SIZE.fullmatch(text)
    if found is None:
        decimal = _DECIMAL.fullmatch(text)
        hint = f'; did you mean "{decimal[1]}{decimal[2].upper()}iB"?' if decimal else ""
        raise ValueError(f"not a size{hint}")
    return int(found[1]) * BYTES[found[2]]


def format_size(size: int) -> str:
    """Return `size` in the largest unit that keeps it whole: `10MiB`."""
    unit, worth = next(((unit, worth) for unit, worth in BYTES.items() if size and size % worth == 0), ("B", 1))
    return f"{size // worth}{unit}"
