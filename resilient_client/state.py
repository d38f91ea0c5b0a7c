"""What operators ask a client for: circuits, permits, queue, budget. Plain values, a snapshot of one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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
class ClientState:
    """One client. Bulkhead and budget are None when the policy switches them off."""

    client: str
    circuits: dict[str, CircuitState]
    permits_in_use: int | None
    permits: int | None
    queued: int | None
    budget: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the same as dictionaries, for JSON."""
        return asdict(self)
