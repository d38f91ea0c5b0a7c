"""Calls that go on while something happens to a server; measured in calls, not in seconds."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from peers.process import PATIENCE

from resilient_client import Failure, Result


class Load:
    """Runs in a thread of its own from the beginning of its `with` block to the end."""

    def __init__(self, run: Callable[[Load], None]) -> None:
        self.results: list[Result[Any]] = []
        self.over = False
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._thread = threading.Thread(target=self._guarded, args=(run,), daemon=True)
        self._problem: BaseException | None = None

    def _guarded(self, run: Callable[[Load], None]) -> None:
        try:
            run(self)
        except BaseException as problem:
            self._problem = problem
        finally:
            self.over = True
            with self._changed:
                self._changed.notify_all()

    # What the calls ask and tell.

    def options(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options of one more call; those that are functions are asked with its number."""
        number = next(self._numbers)
        return {name: value(number) if callable(value) else value for name, value in options.items()}

    def came_back(self, result: Result[Any]) -> None:
        with self._changed:
            self.results.append(result)
            self._changed.notify_all()

    # What a test does.

    def calls(self, more: int) -> None:
        """Wait until so many more calls have come back."""
        with self._changed:
            enough = len(self.results) + more
            done = self._changed.wait_for(lambda: len(self.results) >= enough or self.over, 2 * PATIENCE)
        if not done or self.over:
            raise AssertionError(f"the load came to a stop after {len(self.results)} calls: {self._problem!r}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive(), "the load does not end"
        if self._problem is not None:
            raise self._problem

    # What came of it.

    @property
    def failures(self) -> list[Failure]:
        return [result for result in self.results if not result]

    @property
    def sent_again(self) -> int:
        """How many attempts were made beyond the first of each call."""
        return sum(len(result.attempts) - 1 for result in self.results)

    def assert_no_failures(self) -> None:
        kinds = Counter(str(failure.kind) for failure in self.failures)
        first = self.failures[0].explain() if self.failures else ""
        assert not kinds, f"{dict(kinds)} of {len(self.results)} calls; the first:\n{first}"

    def __repr__(self) -> str:
        kinds = dict(Counter(str(failure.kind) for failure in self.failures))
        return f"<{len(self.results)} calls, {self.sent_again} sent again, failures: {kinds}>"
