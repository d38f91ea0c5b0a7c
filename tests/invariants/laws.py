"""What holds whatever happens: of one call, of what a client holds at a moment, and of what is left in the end."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from invariants.observed import ENDS, EXCHANGE, Made

from resilient_client import FailureKind, Success
from resilient_client.events import (
    AttemptEnded,
    CallCancelled,
    CallStarted,
    CircuitCounted,
    ExchangeEnded,
    ExchangeStarted,
)

ROUNDING = 1e-9

NOTHING_SENT = frozenset((FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.DNS))


# Of one call.


def one_result(call: Made) -> None:
    """It came to exactly one result, or its caller cancelled it; the listeners were told the same, once, and last."""
    assert call.ended is not None
    assert len(call.of(CallStarted)) == len(call.of(*ENDS)) == 1
    assert isinstance(call.told[0], CallStarted)
    assert isinstance(call.told[-1], ENDS)
    if call.cancelled:
        assert len(call.results) <= call.streamed
        assert call.of(CallCancelled)
    else:
        assert len(call.results) == 1
        assert not call.of(CallCancelled)
        if not call.streamed:
            assert call.final is call.results[0]
        elif call.broken is not None:
            assert call.final.kind is call.broken.kind


def attempts_add_up(call: Made) -> None:
    """Attempts are complete, in order, as they were told, and their times are the call's."""
    if call.cancelled:
        return
    result = call.final
    attempts = result.attempts
    assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
    assert sum(attempt.elapsed + attempt.wait for attempt in attempts) == pytest.approx(result.elapsed, abs=1e-3)
    clock = 0.0
    for attempt in attempts:
        assert attempt.started == pytest.approx(clock, abs=1e-6)
        assert 0 <= attempt.queued <= attempt.elapsed + ROUNDING
        clock = attempt.started + attempt.elapsed + attempt.wait
    told = [event.attempt for event in call.of(AttemptEnded)]
    shown = [(one.number, one.started, one.elapsed, one.kind, one.status) for one in attempts]
    assert [(one.number, one.started, one.elapsed, one.kind, one.status) for one in told] == shown
    assert attempts[-1].kind == (None if isinstance(result, Success) else result.kind)


def in_time(call: Made) -> None:
    """A plain call is over by its deadline, and so is the opening of a stream."""
    if call.results:
        assert call.results[0].elapsed <= call.until - call.started + ROUNDING
    if not call.streamed and not call.cancelled:
        assert call.ended <= call.until + ROUNDING
        assert call.results[0].elapsed == pytest.approx(call.ended - call.started, abs=ROUNDING)


def journal_agrees(call: Made, seen: dict[str, list[Any]]) -> None:
    """What it says it sent the far side saw, and nothing else; what must not be repeated was not."""
    started, ended = call.of(ExchangeStarted), call.of(ExchangeEnded)
    assert len(started) == len(ended)
    arrived = []
    for event in ended:
        here = seen.pop(f"{call.number}.{event.exchange.number}", [])
        assert len(here) <= 1, "one request arrived twice"
        arrived += here
        if event.status is not None:
            assert len(here) == 1, "an answer came to a request that never arrived"
            assert here[0].status in {event.status, None}  # None: it was answered with raw bytes
        if event.kind in NOTHING_SENT:
            assert not here, "a request arrived that says it was not sent"
    assert all(one.method == call.method for one in arrived)
    if call.results and not call.results[0]:
        assert call.results[0].sent or not arrived, "it arrived, and the failure says it was never sent"
    if call.method == "POST" and not call.keyed:
        assert all(one.status == 429 for one in arrived[:-1]), "a POST without key was repeated"
    if call.keyed:
        assert len({one.idempotency_key for one in arrived}) <= 1


def by_exchange(requests: list[Any]) -> dict[str, list[Any]]:
    seen: dict[str, list[Any]] = defaultdict(list)
    for one in requests:
        seen[one.headers[EXCHANGE]].append(one)
    return seen


def cancellation_says_nothing(call: Made) -> None:
    """What a cancelled call was doing on the wire counts neither for the circuit nor against it."""
    exchanges, counted = call.of(ExchangeEnded), call.of(CircuitCounted)
    if exchanges and exchanges[-1].cancelled and call.policy.breaker is not None:
        assert counted[-1].outcome == "ignored"


# Of a moment.


class Holdings:
    """Everything that was ever given out under one client's name, also under settings that are gone."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels
        self.permits: dict[int, Any] = {}
        self.circuits: dict[int, Any] = {}
        self.budgets: dict[int, Any] = {}
        self._in_use: dict[int, int] = {}

    def look(self) -> None:
        """Take note of what there is before it is forgotten."""
        kernels = self._kernels
        self.permits |= {id(one): one for one in kernels._permits.values()}
        self.budgets |= {id(one): one for one in kernels._budgets.values()}
        self.circuits |= {id(one): one for group in kernels._circuits.values() for one in group.all()}

    def check_permits(self, calls: list[Made]) -> None:
        """As many permits are in use as there are calls on the wire that must hold one."""
        holders = sum(call.on_the_wire and call.policy.bulkhead is not None for call in calls)
        assert sum(one.in_use for one in self.permits.values()) == holders
        for place, one in self.permits.items():
            most = max(one.settings.max_concurrent, self._in_use.get(place, 0))  # above it only after it shrank
            assert one.in_use <= most
            assert one.queued == 0 or one.in_use >= one.settings.max_concurrent, "someone waits for a free permit"
            self._in_use[place] = one.in_use

    def check_probes(self, calls: list[Made]) -> None:
        """There are never more probes out than there may be, and each belongs to a call on the wire."""
        for one in self.circuits.values():
            assert len(one._probes) <= one.settings.probes
            assert not one._probes or one.state == "half-open"
        on_the_wire = sum(call.on_the_wire and call.policy.breaker is not None for call in calls)
        assert sum(len(one._probes) for one in self.circuits.values()) <= on_the_wire

    def check_budgets(self, calls: list[Made], now: float) -> None:
        """Tokens stay within their bounds; where none is paid in, every single one is accounted for."""
        for one in self.budgets.values():
            settings = one.settings
            balance = one.available(now)
            assert -ROUNDING <= balance <= settings.burst + settings.ratio * one._calls.calls + ROUNDING
            if settings.ratio == settings.min_per_second == 0:
                taken = sum(call.tokens for call in calls if call.budget is one)
                assert balance == pytest.approx(settings.burst - taken, abs=1e-6)

    def check_nothing_is_held(self) -> None:
        """Nothing is held any more, and everything can be taken."""
        for one in self.permits.values():
            assert (one.in_use, one.queued) == (0, 0)
        assert all(not one._probes for one in self.circuits.values())
