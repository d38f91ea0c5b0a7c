"""How long a connection may idle: the server may say so in a Keep-Alive field (RFC 2068, section 19.7.1.1)."""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from resilient_client.exchange import RawHeaders

TIMEOUT: Final = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*\"?(\d{1,9})(?![\w.])", re.IGNORECASE)

MARGIN: Final = 1.0
"""Seconds before the server's end at which ours comes: a request on its way then must still find it open."""


def kept_for(headers: RawHeaders) -> float:
    """Return for how many seconds after this answer its connection may be used again; inf when nothing is said.

    A second less than the server keeps it, or half of that time when it is short.
    """
    for name, value in headers:
        if name.lower() == b"keep-alive" and (said := TIMEOUT.search(value)):
            seconds = int(said[1])
            return max(seconds - MARGIN, seconds / 2)
    return inf
