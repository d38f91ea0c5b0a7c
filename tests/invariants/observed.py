"""One call as it is seen from outside: what was asked, what was told of it, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from resilient_client import Failure, Policy, Result
from resilient_client.events import (
    AttemptEnded,
    CallCancelled,
    CallGivenUp,
    CallStarted,
    CallSucceeded,
    CircuitCounted,
    ExchangeEnded,
    ExchangeStarted,
    RetryScheduled,
)

ENDS = (CallSucceeded, CallGivenUp, CallCancelled)
EXCHANGE = "x-exchange"


@dataclass(eq=False, repr=False)
class Made:
    """One call. Times are virtual seconds; `until` is when it must be over, as the policies say.

    `interrupted`: its caller was cancelled; `cancelled`: before it was over.
    """

    number: int
    method: str
    keyed: bool
    policy: Policy
    client: Any
    budget: Any
    started: float
    until: float = inf
    streamed: bool = False
    told: list[Any] = field(default_factory=list)
    results: list[Result[Any]] = field(default_factory=list)
    broken: Failure | None = None
    ended: float | None = None
    interrupted: bool = False
    cancelled: bool = False
    raised: BaseException | None = None

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kinds)]

    @property
    def on_the_wire(self) -> bool:
        return len(self.of(ExchangeStarted)) > len(self.of(ExchangeEnded))

    @property
    def over(self) -> bool:
        return bool(self.of(*ENDS))

    @property
    def tokens(self) -> int:
        """How many tokens it took from the retry budget and has not given back."""
        return 0 if self.of(CallSucceeded) else len(self.of(RetryScheduled))

    @property
    def final(self) -> Result[Any]:
        """The result whose attempts are complete: that of a stream is told when its body is over."""
        (end,) = self.of(CallSucceeded, CallGivenUp)
        return end.result


class Ledger:
    """A listener that sorts events by call and names each request on the wire, so that the far side's journal fits."""

    hears = (CallStarted, ExchangeStarted, ExchangeEnded, AttemptEnded, RetryScheduled, CircuitCounted, *ENDS)

    def __init__(self) -> None:
        self.calls: dict[int, Made] = {}

    def __call__(self, event: Any) -> None:
        number = int(event.call.url.rpartition("=")[2])
        self.calls[number].told.append(event)
        if isinstance(event, ExchangeStarted):
            event.exchange.headers.append((EXCHANGE, f"{number}.{event.exchange.number}"))
