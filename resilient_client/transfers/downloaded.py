"""What a download gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The `value` of a download that succeeded: the file is whole and at its place.

    `path` is the path that was given, `size` the bytes of the file. `resumed` of them had been there before the last
    answer, from earlier attempts or earlier calls. `digest` is the one that was asked for and checked, if any.
    """

    path: Path
    size: int
    resumed: int = 0
    digest: str | None = None
