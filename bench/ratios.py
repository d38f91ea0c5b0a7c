"""Ratios between two that were measured in the same rounds: taken within a round, and of those the median.

A machine that is busy with something else slows down whoever runs at that moment; within a round, that is everybody.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Final

WHY: Final = {"absent": "was not measured", "unfinished": "did not finish"}
"""The keys under which a reason stands in place of measurements, and how that is said."""


def measured(one: dict[str, Any] | None) -> bool:
    """Return whether there is something to compare."""
    return one is not None and not WHY.keys() & one.keys()


def within_rounds(one: dict[str, Any], other: dict[str, Any], key: str) -> list[float]:
    """Return the ratio of one to the other in each round that saw both."""
    return [mine / theirs for mine, theirs in zip(one[key], other[key], strict=False)]


def ratio_of(one: dict[str, Any] | None, other: dict[str, Any] | None, key: str = "cpu_us") -> float | None:
    """Return the median ratio; nothing when one of them was not measured."""
    if one is None or other is None or not (measured(one) and measured(other)):
        return None
    return median(within_rounds(one, other, key))
