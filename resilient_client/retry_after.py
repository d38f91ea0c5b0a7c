"""Read Retry-After (RFC 9110, section 10.2.3) and its common millisecond sibling."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from resilient_client.http_dates import timestamp

if TYPE_CHECKING:
    from resilient_client.headers import Headers

_SECONDS = re.compile(r"\d{1,300}(\.\d{1,300})?", re.ASCII)


def retry_after(headers: Headers) -> float | None:
    """Return the seconds to wait that `headers` ask for; None when there is no such wish, or it is past or garbage.

    `retry-after-ms` wins over `Retry-After`. A date is measured against the answer's own Date when it has one, so
    that clocks that disagree do not matter.
    """
    if (milliseconds := headers.get("retry-after-ms")) is not None and _SECONDS.fullmatch(milliseconds.strip()):
        return float(milliseconds) / 1000 or None
    value = (headers.get("retry-after") or "").strip()
    if _SECONDS.fullmatch(value):
        return float(value) or None
    moment = timestamp(value)
    if moment is None:
        return None
    now = timestamp(headers.get("date") or "") or time.time()
    return moment - now if moment > now else None
