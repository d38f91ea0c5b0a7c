"""One circuit, the breaker's kernel: stop calling what is down, find out carefully when it is back.

======== =============================================== ==========================================
state    a call                                          leaves it when
======== =============================================== ==========================================
closed   passes                                          failures or slowness reach the threshold -> open
open     is rejected, with the seconds to the next probe that time is over and someone asks -> half-open
half     passes while a probe's place is free            one failure -> open, enough successes -> closed
isolated is rejected                                     only `close()`
======== =============================================== ==========================================

Rules it keeps:

- Every admission carries the epoch it was given in; a result from another epoch changes nothing.
- A probe's place is freed by its result, by its cancellation, or after `open_for` without either.
- The lock guards lines, never a call and never a listener; a storage shared between processes is read under it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

import pybreaker

from resilient_client.pipeline.pybreaker_parts import Relay, Reported, WindowStorage
from resilient_client.pipeline.window import Window

if TYPE_CHECKING:
    from resilient_client.policy import Breaker

CLOSED: Final = pybreaker.STATE_CLOSED
OPEN: Final = pybreaker.STATE_OPEN
HALF_OPEN: Final = pybreaker.STATE_HALF_OPEN
ISOLATED: Final = "isolated"


class Admission:
    """Leave to make one attempt, given in one epoch."""

    __slots__ = ("epoch", "started")

    def __init__(self, epoch: int, started: float) -> None:
        self.epoch = epoch
        self.started = started


class Rejection(NamedTuple):
    """No leave: why, and after how many seconds it makes sense to ask again."""

    message: str
    retry_after: float | None


ISOLATION: Final = Rejection("the circuit was isolated by hand and stays so until close()", None)


class Change(NamedTuple):
    """A change of state, with the counts of the window at that moment."""

    circuit: str
    before: str
    after: str
    calls: int
    failures: int
    open_for: float | None


class Circuit:
    """One circuit: the kernel. Its clock and randomness are given; `admit`, then `record` what came of it.

    `used` is when it was asked last; `when_closed` is given its key, under its lock, whenever it was closed.
    """

    def __init__(
        self,
        key: str,
        settings: Breaker,
        random: Callable[[], float],
        *,
        listeners: Iterable[pybreaker.CircuitBreakerListener] = (),
        storage: pybreaker.CircuitBreakerStorage | None = None,
        on_change: Callable[[Change], None] | None = None,
        name: str = "",
    ) -> None:
        self.key = key
        self.name = name or key
        self.settings = settings
        self._random = random
        self._lock = threading.Lock()
        self._window = Window(settings.window)
        self._relay = Relay(listeners)
        self._listened = bool(self._relay.listeners)
        self._on_change = on_change
        self._changes: list[Change] = []
        self._shared = storage is not None
        self._storage = storage
        self._state = CLOSED
        self._epoch = 0
        self._admission = Admission(0, 0.0)
        self._simple = not self._listened and storage is None and settings.slow is None
        self._carefree: Admission | None = None
        """The admission under which one more success changes nothing but the number of calls, if there is one."""
        self._in_a_row = 0
        self._reopened = 0
        self._open_until = 0.0
        self._told = (-1, "")
        self.when_closed: Callable[[str], object] | None = None
        self._probes: set[Admission] = set()
        self.used = 0.0

    @cached_property
    def _machine(self) -> pybreaker.CircuitBreaker:
        """What turns from state to state. Made under the lock when the circuit first turns, which most never do."""
        return pybreaker.CircuitBreaker(
            fail_max=self.settings.min_calls,
            reset_timeout=self.settings.open_for,
            success_threshold=self.settings.closes_after,
            listeners=[self._relay],
            state_storage=self._storage or WindowStorage(self._window),
            name=self.key,
            throw_new_error_on_trip=False,
        )

    # Asking and telling.

    def admit(self, now: float) -> Admission | Rejection:
        """Return leave to make one attempt, or why not."""
        self.used = now
        admission = self._admission  # read before the state: if the two do not match, it is of an epoch that is over
        if not self._shared and not self._listened:
            if self._state == CLOSED:
                return admission
            if (rejection := self._shut(now)) is not None:
                return rejection
        with self._lock:
            if self._shared:
                self._follow_storage_locked(now)
            answer = self._admission if self._state == CLOSED else self._admit_not_closed_locked(now)
            if self._listened and isinstance(answer, Admission):
                self._relay.admitted(self._machine)
        self._tell()
        return answer

    def shut(self, now: float) -> Rejection | None:
        """Return why nothing passes whatever happens; None when that has to be asked of `admit`. Takes nothing."""
        return None if self._state == CLOSED or self._shared else self._shut(now)

    def _admit_not_closed_locked(self, now: float) -> Admission | Rejection:
        if (rejection := self._shut(now)) is not None:
            return rejection
        if self._state == OPEN:
            self._turn_locked(HALF_OPEN)
        return self._probe_locked(now)

    def _shut(self, now: float) -> Rejection | None:
        """Return why nothing passes, if nothing does; without the lock, at worst as it was a moment ago."""
        state, left = self._state, self._open_until - now
        if state == OPEN and left > 0:
            tenths = round(left * 10)
            told = self._told
            if told[0] != tenths:  # there may be thousands of rejections a second, and ten sentences
                told = self._told = (tenths, f"the circuit for {self.key} is open, next probe in {tenths / 10:.1f} s")
            return Rejection(told[1], left)
        return ISOLATION if state == ISOLATED else None

    def _probe_locked(self, now: float) -> Admission | Rejection:
        given_up = self.settings.open_for
        for probe in [probe for probe in self._probes if now - probe.started >= given_up]:
            self._probes.discard(probe)
        if len(self._probes) >= self.settings.probes:
            left = min(probe.started for probe in self._probes) + given_up - now
            return Rejection(f"the circuit for {self.key} is half-open and its probe is on the way", left)
        admission = Admission(self._epoch, now)
        self._probes.add(admission)
        return admission

    def record(self, admission: Admission, failure: bool | None, seconds: float, now: float) -> None:
        """Say how an admitted attempt ended; `failure=None` frees a probe's place and says nothing."""
        if failure is False and admission is self._carefree and self._window.note(now):
            return
        with self._lock:
            if admission.epoch != self._epoch:
                return
            if self._state == HALF_OPEN:
                self._record_probe_locked(admission, failure, now)
            elif failure is not None and self._state == CLOSED:
                self._count_locked(failure, seconds, now)
            else:
                return
            if self._listened and failure is not None:
                self._relay.outcome(self._machine, Reported() if failure else None)
        if self._changes or self._listened:
            self._tell()

    def _count_locked(self, failure: bool, seconds: float, now: float) -> None:
        settings, window = self.settings, self._window
        window.add(now, failed=failure, slow=settings.slow is not None and seconds > settings.slow)
        self._in_a_row = self._in_a_row + 1 if failure else 0
        self._carefree = self._admission if self._simple and not window.failures else None
        if not window.failures and not window.slow:
            return
        if failure and self._storage is not None:
            self._relay.guard(self._storage.increment_counter)
        enough = window.calls >= settings.min_calls
        if (
            (enough and window.failures / window.calls >= settings.failure_ratio)
            or (enough and settings.slow is not None and window.slow / window.calls >= settings.slow_ratio)
            or (settings.consecutive is not None and self._in_a_row >= settings.consecutive)
        ):
            self._open_locked(now)

    def _record_probe_locked(self, admission: Admission, failure: bool | None, now: float) -> None:
        if admission not in self._probes:  # given up meanwhile: another probe decides
            return
        self._probes.discard(admission)
        if failure:
            self._reopened += 1
            self._open_locked(now)
        elif failure is False:
            self._in_a_row += 1
            if self._in_a_row >= self.settings.closes_after:
                self._close_locked()

    def _tell(self) -> None:
        """Tell what changed, outside the lock, in order."""
        if self._listened:
            self._relay.tell()
        while self._changes and self._on_change is not None:
            try:
                change = self._changes.pop(0)
            except IndexError:  # another thread told it
                return
            self._on_change(change)

    # Turning from one state to the next.

    def _open_locked(self, now: float) -> None:
        settings = self.settings
        length = min(settings.open_max, settings.open_for * 2.0 ** min(self._reopened, 60))
        length *= 1 - 0.1 * self._random()
        self._open_until = now + length
        self._turn_locked(OPEN, length)

    def _close_locked(self) -> None:
        self._reopened = 0
        self._turn_locked(CLOSED)
        self._window.clear()
        if self.when_closed is not None:
            self.when_closed(self.key)

    def _turn_locked(self, state: str, open_for: float | None = None) -> None:
        if self._on_change is not None and state != self._state:
            window = self._window
            self._changes.append(Change(self.name, self._state, state, window.calls, window.failures, open_for))
        self._state = state
        self._epoch += 1
        self._admission = Admission(self._epoch, 0.0)
        self._carefree = None
        self._in_a_row = 0
        self._probes.clear()
        self._relay.guard(lambda: self._turn_machine(state))

    def _turn_machine(self, state: str) -> None:
        if state == CLOSED:
            self._machine.close()
        elif state == HALF_OPEN:
            self._machine.half_open()
        elif self._machine.current_state != OPEN:
            self._machine.open()

    def _follow_storage_locked(self, now: float) -> None:
        """Take over a state that another process wrote into shared storage."""
        state = self._relay.guard(lambda: self._machine.current_state)
        if state is None or self._state in {state, ISOLATED}:
            return
        if state == OPEN:
            self._open_locked(now)
        elif state == CLOSED:
            self._close_locked()

    # The operator's hand.

    def isolate(self) -> None:
        """Reject every call until `close()`."""
        with self._lock:
            self._window.gather()
            self._turn_locked(ISOLATED)
        self._tell()

    def close(self) -> None:
        """Close the circuit now, whatever its state, and forget what it counted."""
        with self._lock:
            self._close_locked()
        self._tell()

    @property
    def state(self) -> str:
        """`closed`, `open`, `half-open` or `isolated`. An open circuit turns half-open when someone asks."""
        return self._state

    @property
    def expendable(self) -> bool:
        """Whether forgetting this circuit forgets no open state."""
        return self._state == CLOSED

    def counts(self, now: float) -> tuple[int, int]:
        """Return the calls in the window and how many of them failed."""
        with self._lock:
            self._window.move_to(now)
            return self._window.calls, self._window.failures

    def next_probe_in(self, now: float) -> float | None:
        """Return the seconds to the next probe, or None when it is not open."""
        return max(0.0, self._open_until - now) if self._state == OPEN else None

    def shut_for(self, now: float) -> float:
        """Return for how many seconds it will let nothing through, as far as anyone can tell."""
        return inf if self._state == ISOLATED else self.next_probe_in(now) or 0.0

    def after_fork(self) -> None:
        """Start a new lock in a forked child and forget probes that run in the parent."""
        self._lock = threading.Lock()
        self.__dict__.pop("_machine", None)
        self._probes.clear()
