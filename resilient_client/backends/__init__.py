"""How a pipeline touches the world: clock, chance, sleep, and waiting for another caller.

Three backends keep one contract: `blocking` (threads), `asynchronous` (asyncio) and `virtual` (deterministic time).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Waker(Protocol):
    """Wakes one waiting thread, task or flow; called from any thread, outside every lock."""

    def wake(self) -> bool:
        """Let the waiter look again; False when it is gone for good, with its event loop."""
        ...


class Backend(Protocol):
    """What the layers ask of the world. Times are seconds on a clock that never goes back."""

    def now(self) -> float:
        """Return the time."""
        ...

    def random(self) -> float:
        """Return a number uniform in [0, 1)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        ...

    def waker(self) -> Waker:
        """Return what another caller wakes this one with."""
        ...

    async def wait(self, waker: Any, until: float) -> None:
        """Return when `waker` was woken, or at the time `until`. The waker is one this backend made."""
        ...

    async def offload(self, function: Callable[..., T], *args: object) -> T:
        """Return what `function` returns, which may block on a file. Whoever is interrupted leaves after it has."""
        ...

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a pipeline to its end for a caller that is not async."""
        ...

    def submit(self, start: Callable[[], Coroutine[Any, Any, T]], at_once: int) -> Future[T]:
        """Run a pipeline beside a caller that is not async, `at_once` of them at a time."""
        ...

    async def together(self, starts: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
        """Run several to their ends side by side; when one raises, raise that and let the others go."""
        ...

    def close(self, *, wait: bool) -> None:
        """Wait until what was submitted is done; without `wait`, forget what has not begun."""
        ...


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends to its end, with one step.

    Raises `RuntimeError` when it does suspend: an async primitive got into a blocking pipeline.
    """
    try:
        coroutine.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} suspended in a blocking pipeline; something in it awaits an event loop")
