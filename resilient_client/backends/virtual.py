"""The virtual backend: time that passes only when every flow waits, and then at once.

A flow is a coroutine that awaits nothing but clients of this world, `sleep` and other flows. Flows run one at a time in
an order that depends on the seed and nothing else, so a run of minutes takes milliseconds and repeats exactly.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Future
from contextvars import Context, copy_context
from math import inf
from typing import Any, Generic, TypeVar, cast

from resilient_client import ambient

T = TypeVar("T")


class FlowWaker:
    """Wakes one waiting flow."""

    __slots__ = ("flow", "woken")

    def __init__(self) -> None:
        self.flow: Flow[Any] | None = None
        self.woken = False

    def wake(self) -> bool:
        """Let the waiting flow go on."""
        self.woken = True
        if self.flow is not None:
            self.flow.make_ready()
        return True

    def __await__(self) -> Generator[FlowWaker, None, None]:
        yield self


class Flow(Generic[T]):
    """One coroutine running in virtual time; await it for its result."""

    def __init__(self, world: VirtualBackend, coroutine: Coroutine[Any, Any, T], context: Context) -> None:
        self._world = world
        self._coroutine = coroutine
        self._context = context
        self._finished = FlowWaker()
        self._watchers: list[Callable[[], object]] = []
        self._to_throw: BaseException | None = None
        self._ready = False
        self.waiting_for: FlowWaker | None = None
        self.done = False
        self._value: T | None = None
        self._error: BaseException | None = None

    def cancel(self) -> None:
        """Interrupt the flow where it waits, as a task's `cancel()` does."""
        if not self.done:
            self._to_throw = asyncio.CancelledError()
            self.make_ready()

    def make_ready(self) -> None:
        """Queue the flow to go on."""
        if not self._ready and not self.done:
            self._ready = True
            self._world.ready.append(self)

    def step(self) -> None:
        """Run the flow to its next wait."""
        self._ready = False
        error, self._to_throw = self._to_throw, None
        if self.waiting_for is not None:
            self.waiting_for.flow = None
            self.waiting_for = None
        try:
            if error is not None:
                waits = self._context.run(self._coroutine.throw, error)
            else:
                waits = self._context.run(self._coroutine.send, None)
        except StopIteration as finished:
            self._value = finished.value
            self._finish()
        except BaseException as problem:  # noqa: BLE001 - kept for whoever asks for the result
            self._error = problem
            self._finish()
        else:
            self._wait(waits)

    def _wait(self, waits: object) -> None:
        if not isinstance(waits, FlowWaker):
            self._to_throw = RuntimeError(
                f"a virtual flow awaited {waits!r}; it may await only clients of its world, sleep() and other flows"
            )
            self.make_ready()
        elif waits.woken:
            self.make_ready()
        else:
            waits.flow = self
            self.waiting_for = waits

    def _finish(self) -> None:
        self.done = True
        for tell in self._watchers:
            tell()

    def on_end(self, tell: Callable[[], object]) -> None:
        """Have `tell` called when the flow is done."""
        self._watchers.append(tell)

    def result(self) -> T:
        """Return what the flow returned, or raise what it raised; `RuntimeError` while it runs."""
        if not self.done:
            raise RuntimeError("the flow is still running")
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def __await__(self) -> Generator[FlowWaker, None, T]:
        if not self.done:
            watcher = FlowWaker()
            self.on_end(watcher.wake)
            yield from watcher.__await__()
        return self.result()


class Promise(Future[T]):
    """The future of a flow. `concurrent.futures.wait` does not know of virtual time: ask each for its `result()`."""

    def __init__(self, world: VirtualBackend, flow: Flow[T]) -> None:
        super().__init__()
        self._world = world
        self._flow = flow
        flow.on_end(self._settle)

    def _settle(self) -> None:
        try:
            self.set_result(self._flow.result())
        except BaseException as problem:  # noqa: BLE001 - kept for whoever asks for the result
            self.set_exception(problem)

    def cancel(self) -> bool:
        """Return False: a flow that was spawned is running."""
        return False

    def result(self, timeout: float | None = None) -> T:
        """Let virtual time pass until the flow is done, or for `timeout` seconds of it; then it is a `TimeoutError`."""
        self._world.run(self._world.ended(self._flow, timeout))
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Let virtual time pass as `result` does, and return what the flow raised."""
        self._world.run(self._world.ended(self._flow, timeout))
        return super().exception(0)


class VirtualBackend:
    """The world of virtual time. `seed` fixes every random choice the policies make."""

    def __init__(self, seed: int = 0) -> None:
        self._time = 0.0
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._timers: list[tuple[float, int, FlowWaker]] = []
        self._order = 0
        self.ready: deque[Flow[Any]] = deque()

    def now(self) -> float:
        """Return the virtual time in seconds; it starts at 0."""
        return self._time

    def random(self) -> float:
        """Return the next number of the seeded generator."""
        return self._chance.random()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass for this flow."""
        await self.wait(FlowWaker(), self._time + seconds)

    def waker(self) -> FlowWaker:
        """Return what another flow wakes this one with."""
        return FlowWaker()

    async def wait(self, waker: FlowWaker, until: float) -> None:
        """Suspend this flow until `waker` was woken or the time is `until`."""
        if until != inf:
            self._order += 1
            heapq.heappush(self._timers, (until, self._order, waker))
        await waker

    async def ended(self, flow: Flow[Any], within: float | None) -> None:
        """Wait until `flow` is done, for at most `within` seconds."""
        if not flow.done:
            waker = self.waker()
            flow.on_end(waker.wake)
            await self.wait(waker, inf if within is None else self._time + within)

    async def offload(self, function: Callable[..., T], *args: object) -> T:
        """Call `function`; it takes no virtual time."""
        return function(*args)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Flow[T]:
        """Start a flow beside the running ones; it first runs when something waits."""
        context = copy_context()
        context.run(ambient.clock.set, self.now)
        flow = Flow(self, coroutine, context)
        flow.make_ready()
        return flow

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine`, and every other flow while it waits, until it returns; time jumps from wait to wait."""
        flow = self.spawn(coroutine)
        while not flow.done:
            self._turn()
        return flow.result()

    def submit(self, start: Callable[[], Coroutine[Any, Any, T]], at_once: int) -> Future[T]:  # noqa: ARG002 - flows cost nothing
        """Start a flow, and return a future whose `result()` lets time pass until it is done."""
        return Promise(self, self.spawn(start()))

    async def together(self, starts: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Run each as a flow."""
        flows = [self.spawn(start()) for start in starts]
        try:
            for flow in flows:
                await flow
        finally:
            for flow in flows:
                flow.cancel()

    def close(self, *, wait: bool) -> None:
        """Do nothing: flows run when somebody lets time pass."""

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass for every flow."""
        self.run(self.sleep(seconds))

    def _turn(self) -> None:
        if self.ready:
            self.ready.popleft().step()
            return
        if not self._timers:
            raise RuntimeError("every flow waits for something that will never happen")
        moment, _, waker = heapq.heappop(self._timers)
        if waker.flow is not None:  # else the wait ended before its time
            self._time = max(self._time, moment)
            waker.wake()
