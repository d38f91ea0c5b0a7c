"""Read Retry-After (RFC 9110, section 10.2.3) and its common millisecond sibling."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from resilient_client.http_dates import timestamp

if TYPE_CHECKING:
    from resilient_client.headers import Headers

LONGEST: Final = 1e300
"""Seconds that a longer wish is told as: a number can have more digits than fit, and infinity is not JSON."""

_NUMBER: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)


def retry_after(headers: Headers) -> float | None:
    """Return the seconds to wait that `headers` ask for; None when there is no such wish, or it is past or garbage.

    `retry-after-ms` wins over `Retry-After`, and of several the longest. A date is measured against the answer's own
    Date when it has one, so that clocks that disagree do not matter.
    """
    wishes = [number / 1000 for number in map(_number, headers.get_list("retry-after-ms")) if number is not None]
    if not wishes:
        wishes = [_seconds(value, headers) for value in headers.get_list("retry-after")]
    longest = max(wishes, default=0.0)
    return min(longest, LONGEST) if longest > 0 else None


def _number(value: str) -> float | None:
    return float(value) if _NUMBER.fullmatch(value.strip()) else None


def _seconds(value: str, headers: Headers) -> float:
    """Return the seconds that one Retry-After asks for, 0 when it asks for nothing."""
    number = _number(value)
    if number is not None:
        return number
    moment = timestamp(value.strip())
    return 0.0 if moment is None else moment - (timestamp(headers.get("date") or "") or time.time())
