"""What callers were told, call by call, and whether the journals of the far sides agree with it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from bench.soak.journal import MOST, Journal

REJECTED = frozenset(("circuit_open", "bulkhead_full"))


class Book:
    """How often each call may have arrived, by what its caller was told: at least, and at most."""

    def __init__(self, calls: int, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._least = bytearray(calls)
        self._most = bytearray(calls)
        self._ended = bytearray(calls)
        self.finished = 0
        self.kinds: Counter[str] = Counter()
        self.wrong: list[str] = []

    def told(self, number: int, kind: str, result: Any, *, once: bool, broken: Any = None) -> None:
        """Enter a result; `once`: it must not arrive again after an answer of which nobody knows what it did."""
        sent = [attempt for attempt in result.attempts if attempt.kind not in REJECTED]
        answered = sum(attempt.status is not None for attempt in sent)
        most = len(sent)
        if not result.ok and not result.sent:
            most = 0
        elif once:
            most = 1 + sum(attempt.status == 429 for attempt in sent)
        if (seen := self._journal.count(number)) > most:
            self.complain(f"call {number} ({kind}) arrived {seen} times, at most {most} were told:\n{result.explain()}")
        ended = "ok" if result.ok else str(result.kind)
        self._enter(number, answered, most, f"{ended} in body: {broken.kind}" if broken else ended, kind)

    def left(self, number: int, *, once: bool) -> None:
        """Enter that there was no result, because the caller left."""
        self._enter(number, 0, 1 if once else 2 * 3, "cancelled", "")

    def _enter(self, number: int, least: int, most: int, ended: str, kind: str) -> None:
        with self._lock:
            if self._ended[number]:
                self.wrong.append(f"call {number} ({kind}) ended twice")
            self._ended[number] = 1
            self.finished += 1
            self._least[number], self._most[number] = least, min(MOST, most)
            self.kinds[ended] += 1

    def complain(self, what: str) -> None:
        with self._lock:
            self.wrong.append(what)

    def disagreements(self, made: int) -> list[str]:
        """Return every call of the first `made` that has no end, or that arrived more or less often than it says."""
        found = [f"call {number} never ended" for number in range(made) if not self._ended[number]]
        for number in range(made):
            least, seen, most = self._least[number], self._journal.count(number), self._most[number]
            if not least <= seen <= most:
                found.append(f"call {number} arrived {seen} times; its caller was told of {least} to {most}")
        return found
