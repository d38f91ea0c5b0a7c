"""All rows, in the order of the page: from the name to the caller."""

from __future__ import annotations

from typing import Final

from faults.fault import Area, Fault
from faults.rows import (
    callers,
    connecting,
    content,
    framing,
    heads,
    http2,
    interrupted,
    names,
    policies,
    proxies,
    redirects,
    reuse,
    slowness,
    statuses,
    streams,
    tls,
    uploads,
)

AREAS: Final[tuple[Area, ...]] = (
    names.AREA,
    connecting.AREA,
    tls.AREA,
    uploads.AREA,
    heads.AREA,
    framing.AREA,
    content.AREA,
    slowness.AREA,
    statuses.AREA,
    reuse.AREA,
    http2.AREA,
    redirects.AREA,
    proxies.AREA,
    streams.AREA,
    policies.AREA,
    interrupted.AREA,
    callers.AREA,
)


def rows() -> list[Fault]:
    """Every row."""
    return [fault for area in AREAS for fault in area.rows]
