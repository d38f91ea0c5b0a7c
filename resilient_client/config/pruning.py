"""Leave out of a document what is wrong with it, so that the rest can be checked, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resilient_client.config.report import Path


def without(values: Any, paths: Sequence[Path]) -> Any:
    """Return `values` without what is at `paths`; a route whose `match` is wrong or missing goes as a whole."""
    by_head: dict[str | int, list[Path]] = {}
    for head, *tail in paths:
        by_head.setdefault(head, []).append(tuple(tail))
    gone = {head for head, tails in by_head.items() if () in tails or ("match",) in tails}
    items = values.items() if isinstance(values, Mapping) else enumerate(values)
    kept = [
        (key, without(value, by_head[key]) if key in by_head else value)
        for key, value in items
        if key not in gone and str(key) not in gone
    ]
    return dict(kept) if isinstance(values, Mapping) else [value for _, value in kept]
