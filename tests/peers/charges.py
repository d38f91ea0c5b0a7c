"""POSTs that an origin behind a peer can tell apart, also when no more than their head has come through."""

from __future__ import annotations

from collections import Counter
from typing import Any

from resilient_client.testing import FaultServer, Journal, steps

NUMBERED: dict[str, Any] = {"params": lambda number: {"number": number}, "content": b"one coin"}
"""Options of a load: each of its calls says in its URL which it is."""

KEYED: dict[str, Any] = {**NUMBERED, "idempotency_key": "charge-{}".format}
"""The same, with a key for each call."""


def taken_by(origin: FaultServer) -> str:
    """Have the origin take charges, and return the path for them."""
    origin.on("POST /charges", steps.ok())
    return "/charges"


def assert_none_arrived_twice(journal: Journal) -> None:
    """Fail when the head of one call came more than once."""
    assert journal.requests
    arrived = Counter(seen.target for seen in journal.requests)
    assert {target: times for target, times in arrived.items() if times > 1} == {}


def assert_each_took_effect_once(journal: Journal, calls: int) -> None:
    """Fail unless each call came with a key of its own, the same each time, and took effect once."""
    assert {(seen.target, seen.idempotency_key) for seen in journal.requests} == {
        (f"/charges?number={number}", f"charge-{number}") for number in range(1, calls + 1)
    }
    assert journal.effects == {f"charge-{number}": 1 for number in range(1, calls + 1)}
