"""What operators ask a client for: circuits, permits, queue, budget. Plain values, a snapshot of one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CircuitState:
    """One circuit: `state` is closed, open, half-open or isolated; counts are those of its window."""

    state: str
    calls: int
    failures: int
    retry_after: float | None = None

    @property
    def ratio(self) -> float:
        """Failures per call of the window; 0 when there were none."""
        return self.failures / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True)
class BulkheadState:
    """One bulkhead: permits in use, permits there are, callers that wait for one."""

    in_use: int
    limit: int
    queued: int


@dataclass(frozen=True, slots=True)
class ClientState:
    """One client. Bulkhead and budget are None when the policy switches them off.

    `circuits` holds those of the client's own policy by their key, and those of routes with a `Breaker` of their own by
    route and key: `POST /charges/{id} https://payments:443`. `bulkheads` holds those of routes with a `Bulkhead` of
    their own, by route.
    """

    client: str
    circuits: dict[str, CircuitState]
    permits_in_use: int | None
    permits: int | None
    queued: int | None
    budget: float | None
    bulkheads: dict[str, BulkheadState] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the same as dictionaries, for JSON."""
        return asdict(self)
