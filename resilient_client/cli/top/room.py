"""How many lines each table gets of a screen that has not enough for all."""

from __future__ import annotations

from collections.abc import Sequence


def share(lines: int, wanted: Sequence[int]) -> list[int]:
    """Return how many of `lines` each gets: in turns, one after the other, until all have what they want."""
    given = [0] * len(wanted)
    while lines > 0 and any(got < want for got, want in zip(given, wanted, strict=True)):
        for place, want in enumerate(wanted):
            if given[place] < want and lines > 0:
                given[place] += 1
                lines -= 1
    return given


def shown(rows: int, lines: int) -> tuple[int, int]:
    """Return how many of `rows` are shown in `lines`, and how many are only counted, in the last of the lines."""
    if rows <= lines:
        return rows, 0
    fitting = max(0, lines - 1)
    return fitting, rows - fitting
