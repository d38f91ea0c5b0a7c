"""The bulkhead: at most so many attempts on the wire, a short fair queue, everyone else refused at once.

Rules it keeps:

- Holding a permit is being listed: giving it back twice is harmless, and the usage is never a guess.
- First come, first served: nobody takes a free permit past someone who waits.
- A permit granted to a waiter that gave up meanwhile goes to the next one.
- Who leaves gives up the place first and then looks at the queue; who comes to wait joins it first and then looks for a
  place. One of the two sees the other, so leaving needs the lock only when somebody waits.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

from resilient_client.events import PermitAwaited, Rejected, tell_those, wanting
from resilient_client.exchange import Outcome
from resilient_client.result import FailureKind, StopReason
from resilient_client.state import BulkheadState

if TYPE_CHECKING:
    from resilient_client.backends import Backend, Waker
    from resilient_client.pipeline.call import Call, Handler
    from resilient_client.policy import Bulkhead


class Permit:
    """One caller's claim on a place: asked for, held, or given back.

    The kernel only knows it weakly: one that is dropped without having been given back, by an interrupt at the wrong
    instruction, takes no place for long. `waker` is there once it had to queue.
    """

    __slots__ = ("__weakref__", "waker")

    waker: Waker


class Answer(Enum):
    """What asking for a permit comes to."""

    HELD = "held"
    QUEUED = "queued"
    FULL = "full"


BULKHEAD_FULL: Final = FailureKind.BULKHEAD_FULL
HELD: Final = Answer.HELD  # looked up in the enumeration, it would cost a call more than the rest of asking


class Permits:
    """The kernel: places, and who holds or waits for them. Safe from threads and tasks at once."""

    def __init__(self, settings: Bulkhead, label: str = "") -> None:
        self.settings = settings
        self._label = label
        self._lock = threading.Lock()
        self._held: dict[int, weakref.ref[Permit]] = {}
        self._waiting: deque[Permit] = deque()

    def ask(self, permit: Permit, make_waker: Callable[[], Waker]) -> Answer:
        """Take a place for `permit`, or a place in the queue, or say that there is neither."""
        with self._lock:
            if self._takes_locked(permit):
                return HELD
        self._regain_lost()
        with self._lock:
            if self._takes_locked(permit):
                return HELD
            if len(self._waiting) >= self.settings.max_waiting:
                return Answer.FULL
            permit.waker = make_waker()
            self._waiting.append(permit)
        self._grant()
        return Answer.QUEUED

    def _takes_locked(self, permit: Permit) -> bool:
        if self._waiting or len(self._held) >= self.settings.max_concurrent:
            return False
        self._held[id(permit)] = weakref.ref(permit)
        return True

    def holds(self, permit: Permit) -> bool:
        """Return whether `permit` has its place."""
        return id(permit) in self._held

    def give_back(self, permit: Permit) -> None:
        """Give up the place, held or queued, and hand it on. Harmless when there is none."""
        held = self._held.pop(id(permit), None) is not None
        if held and not self._waiting:
            return
        if not held:
            with self._lock:
                if permit in self._waiting:
                    self._waiting.remove(permit)
        self._grant()

    def _regain_lost(self) -> None:
        """Free the places of permits that nobody has any more."""
        with self._lock:  # a copy is made in one go, while others give theirs back without the lock
            for place in [place for place, permit in self._held.copy().items() if permit() is None]:
                self._held.pop(place, None)
        self._grant()

    def _grant(self) -> None:
        """Give free places to who waits; those of waiters whose event loop is gone go to the next ones."""
        all_woken = False
        while not all_woken:
            with self._lock:
                granted = self._grant_locked()
            all_woken = True
            for permit in granted:
                if not permit.waker.wake():
                    self._held.pop(id(permit), None)
                    all_woken = False

    def _grant_locked(self) -> list[Permit]:
        granted: list[Permit] = []
        while self._waiting and len(self._held) < self.settings.max_concurrent:
            permit = self._waiting.popleft()
            self._held[id(permit)] = weakref.ref(permit)
            granted.append(permit)
        return granted

    def resize(self, settings: Bulkhead) -> None:
        """Go on under other settings; who holds or waits for a place keeps it, also when there are fewer now."""
        with self._lock:
            self.settings = settings
        self._grant()

    @property
    def in_use(self) -> int:
        """Permits held now."""
        self._regain_lost()
        return len(self._held)

    @property
    def queued(self) -> int:
        """Callers waiting now."""
        return len(self._waiting)

    def name(self, client: str) -> str:
        """Return what operators know it by: the client, and the route when that has it for itself."""
        return f"{client} {self._label}" if self._label else client

    def state(self) -> BulkheadState:
        """Return what operators ask for."""
        return BulkheadState(self.in_use, self.settings.max_concurrent, self.queued)

    def after_fork(self) -> None:
        """Start empty in a forked child: whoever holds or waits does so in the parent."""
        self._lock = threading.Lock()
        self._held.clear()
        self._waiting.clear()


def bulkhead_layer(proceed: Handler, permits: Permits, backend: Backend) -> Handler:
    """Hold a permit around what is below; waiting for it counts against the deadline."""
    settings, waker = permits.settings, backend.waker

    async def with_permit(call: Call) -> Outcome:
        permit = Permit()
        outcome: Outcome | None = None
        try:
            answer = permits.ask(permit, waker)
            if answer is not HELD and (refused := await _wait(call, permit, answer)) is not None:
                return refused
            outcome = await proceed(call)
            return outcome
        finally:
            if outcome is None or outcome.live is None:
                permits.give_back(permit)
            else:
                outcome.live.on_close(lambda _: permits.give_back(permit))

    async def _wait(call: Call, permit: Permit, answer: Answer) -> Outcome | None:
        if answer is Answer.FULL:
            return _refusal(call, permits, f"{permits.in_use} on the wire and {permits.queued} waiting, no room")
        asked = call.now
        until = call.deadline if settings.max_wait is None else min(call.deadline, asked + settings.max_wait)
        await backend.wait(permit.waker, until)
        call.now = backend.now()
        waited = call.now - asked
        call.queued += waited
        admitted = permits.holds(permit)
        if PermitAwaited in call.heard:
            call.tell(PermitAwaited(call.info, permits.name(call.client), waited, admitted))
        if admitted:
            return None
        if until == call.deadline:
            return Outcome(
                FailureKind.DEADLINE, "the time was up while waiting for a permit", sent=False, cut_short=True
            )
        return _refusal(call, permits, f"no permit within {settings.max_wait:g} s")

    return with_permit


def _refusal(call: Call, permits: Permits, why: str) -> Outcome:
    call.stopped = StopReason.REJECTED
    name = permits.name(call.client)
    message = f"the bulkhead of {name} is full: {why}"
    if listeners := wanting(call.heard, Rejected, call.client, BULKHEAD_FULL, call.sent):
        tell_those(listeners, Rejected(call.info, BULKHEAD_FULL, name, message, None))
    return Outcome(BULKHEAD_FULL, message, sent=False)
