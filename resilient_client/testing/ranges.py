"""A file that is served in parts: what a request with Range and If-Range is answered with (RFC 9110, section 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resilient_client.headers import Headers

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Served:
    """What is sent: status, the fields that say which part it is, and where that part begins and ends."""

    status: int
    fields: tuple[tuple[str, str], ...]
    start: int
    end: int


def served(asked: Headers, size: int, *, etag: str | None, last_modified: str | None) -> Served:
    """Return what of a file of `size` bytes answers the request with the fields `asked`.

    A range that makes no sense is ignored, and so is one of several parts, which a server may do. `If-Range` holds for
    a strong ETag that is the same, or the same date.
    """
    whole = Served(200, (), 0, size)
    condition = asked.get("if-range")
    if condition is not None and (condition not in {etag, last_modified} or condition.startswith("W/")):
        return whole
    found = _RANGE.fullmatch((asked.get("range") or "").strip())
    if found is None or not (found[1] or found[2]):
        return whole
    if found[1]:
        start, end = int(found[1]), min(size, int(found[2] or size) + 1)
    else:
        start, end = max(0, size - int(found[2])), size
    if found[1] and found[2] and int(found[2]) < start:
        return whole
    if start >= size:
        return Served(416, (("Content-Range", f"bytes */{size}"),), 0, 0)
    return Served(206, (("Content-Range", f"bytes {start}-{end - 1}/{size}"),), start, end)
