"""URLs that are plainly right: a parser would change nothing in them, so none is asked.

A service that has ids in its paths calls a new URL each time; taking one apart costs more than the policies around it.
What is not plain, be it a percent sign or two dots, is the parser's.
"""

from __future__ import annotations

import re
from typing import Final

_SEGMENT: Final = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
_PATH: Final = rf"(?:{_SEGMENT}(?:/{_SEGMENT})*/?)"
_QUERY: Final = r"(?:\?[A-Za-z0-9._~&=-]+)?"
_RELATIVE: Final = re.compile(rf"/?({_PATH}{_QUERY})")
_ABSOLUTE: Final = re.compile(rf"(https?://[a-z0-9][a-z0-9.-]*(?::[0-9]{{1,5}})?)(/{_PATH}?{_QUERY})")

LONGEST: Final = 8000
"""Characters; servers take about as many. What is longer may be too long for the parser, too."""


def plain_target(url: str) -> str | None:
    """Return a relative URL without its first slash, when it is plain."""
    found = _RELATIVE.fullmatch(url) if len(url) <= LONGEST else None
    return None if found is None else found[1]


def plain_parts(url: str) -> tuple[str, str] | None:
    """Return the place and the target of an absolute URL, when it is plain; the place itself may still be wrong."""
    found = _ABSOLUTE.fullmatch(url) if len(url) <= LONGEST else None
    return None if found is None else (found[1], found[2])
