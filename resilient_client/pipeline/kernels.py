"""The kernels of one client: circuits, permits and budget, the state that policies count in.

State belongs to settings: calls whose `Breaker` is equal share circuits, and likewise permits and budget. A call with
other numbers counts on its own, so an override for one route never bends the state of the others.
"""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from resilient_client.events import CircuitChanged, Listener, audience, tell
from resilient_client.forking import Forkable, on_fork
from resilient_client.pipeline.budget import Budget
from resilient_client.pipeline.bulkhead import Permits
from resilient_client.pipeline.circuit import Change, Circuit
from resilient_client.pipeline.circuits import Circuits
from resilient_client.policy import Breaker, Bulkhead, Policy, RetryBudget
from resilient_client.state import CircuitState

if TYPE_CHECKING:
    import pybreaker

CircuitStorage = Callable[[str], "pybreaker.CircuitBreakerStorage"]

MAX_SETTINGS: Final = 256
"""Different values of one section that state is kept for; numbers computed per call must not fill the memory."""

V = TypeVar("V")
K = TypeVar("K")


class User(Protocol):
    """A client, as far as its kernels care."""

    name: str

    @property
    def lasting_listeners(self) -> tuple[Listener, ...]:
        """Who hears of circuits that change, by whoever's call."""
        ...


class Kernels:
    """Shared state of one named dependency; give it to several clients and they act as one.

    `AsyncClient("orders", kernels=client.kernels)` makes threads and tasks of a process share circuits, permits and
    budget. `circuit_listeners` are pybreaker listeners, told outside every lock; `circuit_storage` returns a
    pybreaker storage for a circuit's key, for state shared between processes (its I/O blocks; use it knowingly).
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        circuit_listeners: Iterable[pybreaker.CircuitBreakerListener] = (),
        circuit_storage: CircuitStorage | None = None,
        randomness: Callable[[], float] = random.random,
    ) -> None:
        self.policy = policy or Policy()
        self._listeners = tuple(circuit_listeners)
        for listener in self._listeners:
            if not callable(getattr(listener, "state_change", None)):
                raise TypeError(f"circuit_listeners: {listener!r} is no pybreaker.CircuitBreakerListener")
        if circuit_storage is not None and not callable(circuit_storage):
            raise TypeError(f"circuit_storage={circuit_storage!r}: give a function of a circuit's key")
        self._storage = circuit_storage
        self._random = randomness
        self.name = ""
        self._users: weakref.WeakSet[User] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._circuits: dict[Breaker, Circuits] = {}
        self._permits: dict[Bulkhead, Permits] = {}
        self._budgets: dict[RetryBudget, Budget] = {}
        on_fork(self)

    def circuits(self, settings: Breaker) -> Circuits:
        """Return the circuits that count under `settings`."""
        return self._shared(self._circuits, settings, lambda: self._new_circuits(settings))

    def circuit_states(self, settings: Breaker | None, now: float) -> dict[str, CircuitState]:
        """Return the circuits that count under `settings`, by their name, as they are."""
        states: dict[str, CircuitState] = {}
        for circuit in self.circuits(settings).all() if settings is not None else ():
            calls, failures = circuit.counts(now)
            states[circuit.name] = CircuitState(circuit.state, calls, failures, circuit.next_probe_in(now))
        return states

    def permits(self, settings: Bulkhead) -> Permits:
        """Return the permits that are given out under `settings`."""
        return self._shared(self._permits, settings, lambda: Permits(settings))

    def budget(self, settings: RetryBudget) -> Budget:
        """Return the tokens that are rationed under `settings`."""
        return self._shared(self._budgets, settings, lambda: Budget(settings))

    def reserve(self, label: str, policy: Policy) -> None:
        """Make the state of a policy that a client has for good; `label` is the route it is for, or empty.

        It is kept whatever else there is, and named by who was first.
        """
        with self._lock:
            if policy.breaker is not None and policy.breaker not in self._circuits:
                self._circuits[policy.breaker] = self._new_circuits(policy.breaker, label)
            if policy.bulkhead is not None and policy.bulkhead not in self._permits:
                self._permits[policy.bulkhead] = Permits(policy.bulkhead, label)
            budget = policy.retry.budget if policy.retry is not None else None
            if budget is not None and budget not in self._budgets:
                self._budgets[budget] = Budget(budget)

    def succeed(self, before: Sequence[Policy], after: Sequence[Policy], staying: Iterable[Policy] = ()) -> None:
        """Carry state over when policies are replaced, one by one: `before[0]` by `after[0]`, and so on.

        A section that stays equal keeps its state. A bulkhead with other numbers keeps its permits and its queue, and
        grows or shrinks, unless somebody goes on with the old numbers or has the new ones already. Circuits and budgets
        under other numbers start anew. What is used no more is forgotten. `staying` are policies of clients that do not
        change.
        """
        others = list(staying)
        kept = {policy.bulkhead for policy in (*after, *others)}
        taken = {policy.bulkhead for policy in (*before, *others)}
        resized: list[tuple[Permits, Bulkhead]] = []
        with self._lock:
            for old, new in zip(before, after, strict=False):
                gone, comes = old.bulkhead, new.bulkhead
                if gone in self._permits and gone not in kept and comes is not None and comes not in taken:
                    self._permits[comes] = self._permits.pop(gone)
                    resized.append((self._permits[comes], comes))
                    taken.add(comes)
            self.policy = after[0]
            _forget(self._circuits, {one.breaker for one in before} - {one.breaker for one in (*after, *others)})
            _forget(self._permits, {one.bulkhead for one in before} - kept)
            _forget(self._budgets, _budgets(before) - _budgets([*after, *others]))
        for permits, settings in resized:
            permits.resize(settings)

    def _shared(self, existing: dict[K, V], settings: K, make: Callable[[], V]) -> V:
        with self._lock:
            found = existing.get(settings)
            if found is None:
                found = make()
                if len(existing) < MAX_SETTINGS:
                    existing[settings] = found
            return found

    def _new_circuits(self, settings: Breaker, label: str = "") -> Circuits:
        return Circuits(settings, lambda key, breaker: self._make_circuit(key, breaker, label))

    def _make_circuit(self, key: str, settings: Breaker, label: str) -> Circuit:
        storage = self._storage(key) if self._storage else None
        return Circuit(
            key,
            settings,
            self._random,
            listeners=self._listeners,
            storage=storage,
            on_change=self._tell_change,
            name=f"{label} {key}" if label else key,
        )

    def join(self, user: User) -> None:
        """Take note of a client; the first one gives the name. It is known weakly."""
        with self._lock:
            self.name = self.name or user.name
            self._users.add(user)

    def users(self) -> list[User]:
        """Return the clients that share this."""
        with self._lock:
            return list(self._users)

    def _tell_change(self, change: Change) -> None:
        listeners = {id(listener): listener for user in self.users() for listener in user.lasting_listeners}
        if listeners:
            tell(audience(listeners.values()), CircuitChanged(self.name, *change))

    def after_fork(self) -> None:
        """In a forked child: new locks, and nothing held by threads that stayed in the parent."""
        self._lock = threading.Lock()
        parts: list[Forkable] = [*self._circuits.values(), *self._permits.values(), *self._budgets.values()]
        for part in parts:
            part.after_fork()


def _forget(existing: dict[K, V], settings: set[K | None]) -> None:
    for one in settings:
        if one is not None:
            existing.pop(one, None)


def _budgets(policies: Sequence[Policy]) -> set[RetryBudget | None]:
    return {policy.retry.budget for policy in policies if policy.retry is not None}
