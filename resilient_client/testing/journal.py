"""What the far side saw: requests, connections, bytes and effects, with assertions that tell the story.

Nothing in here does I/O or reads a clock, so the paired server and a far side in memory keep the same journal.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from resilient_client.headers import Headers
    from resilient_client.testing.script import Received

EFFECTFUL: Final = frozenset(("POST", "PUT", "PATCH", "DELETE"))

# A gap is measured between clock readings; their rounding must not fail an assertion about a wait.
CLOCK_ROUNDING: Final = 1e-6


@dataclass(slots=True, eq=False)
class Seen:
    """One request, filled in as its exchange goes on.

    `at` is when its head had come, in monotonic seconds; `number` counts its route's requests from 1 (0 when no route
    took it); `reused` says that its connection had carried a request before; `body` may hold only the start of a long
    one. `status` is None until a final status is answered, and stays None when the answer is raw bytes or nothing.
    `aborted`: the client left, or reset the stream (`reset_by_client`), before the answer had ended.
    """

    method: str
    target: str
    headers: Headers
    at: float
    connection: int
    reused: bool
    number: int
    body: bytes = b""
    status: int | None = None
    aborted: bool = False
    reset_by_client: bool = False

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def idempotency_key(self) -> str | None:
        """The key that makes repeating it safe."""
        return self.headers.get("idempotency-key")

    @property
    def traceparent(self) -> str | None:
        """The trace it belongs to, as W3C Trace Context writes it."""
        return self.headers.get("traceparent")

    def seconds_left(self, header: str = "X-Request-Timeout-Ms") -> float | None:
        """Return the seconds the caller still had, when it said so in `header` in milliseconds."""
        value = self.headers.get(header)
        return int(value) / 1000 if value is not None and value.isdecimal() else None

    def outcome(self) -> str:
        """Say in a few words how the exchange went."""
        answer = "no status" if self.status is None else str(self.status)
        if self.reset_by_client:
            return f"{answer}, reset by the client"
        return f"{answer}, aborted by the client" if self.aborted else answer


class Journal:
    """What a far side saw, safe to read from any thread while it runs.

    The answer to a request is entered before its last byte is sent: whoever holds a whole answer finds it here. What a
    client does by leaving shows a moment later: wait for it with `wait_until`.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[Seen] = []
        self._in_progress: set[Seen] = set()
        self._last_connection = 0
        self._used: set[int] = set()
        self._zero()

    def _zero(self) -> None:
        self._requests = []
        self._connections_opened = 0
        self._most_at_once = len(self._in_progress)
        self._bytes_in = 0
        self._bytes_out = 0
        self._effects: Counter[str | None] = Counter()

    # What a far side enters.

    def connection_opened(self) -> int:
        """Enter a new connection and return its number, counted from 1."""
        with self._changed:
            self._connections_opened += 1
            self._last_connection += 1
            self._changed.notify_all()
            return self._last_connection

    def request_begun(self, head: Received, *, at: float) -> Seen:
        """Enter a request whose head has come, `at` monotonic seconds; its body may follow."""
        with self._changed:
            reused = head.connection in self._used
            seen = Seen(head.method, head.target, head.headers, at, head.connection, reused, head.number, head.body)
            self._used.add(head.connection)
            self._requests.append(seen)
            self._in_progress.add(seen)
            self._most_at_once = max(self._most_at_once, len(self._in_progress))
            self._changed.notify_all()
            return seen

    def body_received(self, seen: Seen, body: bytes) -> None:
        """Enter the body of a request, or as much of it as is kept."""
        with self._changed:
            seen.body = body
            self._changed.notify_all()

    def answered(self, seen: Seen, status: int) -> None:
        """Enter the final status of an answer, and with a 2xx the effect it confirms."""
        with self._changed:
            seen.status = status
            if seen.method in EFFECTFUL and 200 <= status < 300:
                key = seen.headers.get("idempotency-key")
                if key is None or not self._effects[key]:
                    self._effects[key] += 1
            self._changed.notify_all()

    def request_ended(self, seen: Seen, *, aborted: bool = False, reset_by_client: bool = False) -> None:
        """Enter the end of an exchange; a second end of the same one changes nothing."""
        with self._changed:
            if seen in self._in_progress:
                self._in_progress.remove(seen)
                seen.aborted = aborted or reset_by_client
                seen.reset_by_client = reset_by_client
                self._changed.notify_all()

    def moved(self, *, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Enter bytes received and sent, those of TLS itself not counted."""
        with self._changed:
            self._bytes_in += bytes_in
            self._bytes_out += bytes_out
            self._changed.notify_all()

    # What a test reads.

    @property
    def requests(self) -> list[Seen]:
        """The requests in the order their heads came."""
        with self._changed:
            return list(self._requests)

    @property
    def connections_opened(self) -> int:
        """How many connections were accepted, also those whose TLS handshake failed."""
        with self._changed:
            return self._connections_opened

    @property
    def in_progress(self) -> int:
        """How many requests have come and are not answered to their end."""
        with self._changed:
            return len(self._in_progress)

    @property
    def most_at_once(self) -> int:
        """The most requests that were ever in progress at once."""
        with self._changed:
            return self._most_at_once

    @property
    def bytes_in(self) -> int:
        """How many bytes came in."""
        with self._changed:
            return self._bytes_in

    @property
    def bytes_out(self) -> int:
        """How many bytes were handed to the network."""
        with self._changed:
            return self._bytes_out

    @property
    def effects(self) -> dict[str | None, int]:
        """How often each idempotency key took effect: at most once. Requests without a key count under None, each."""
        with self._changed:
            return {key: count for key, count in self._effects.items() if count}

    def count(self, path: str | None = None, method: str | None = None) -> int:
        """Return how many requests came, to `path` and with `method` when given."""
        return sum(1 for seen in self._to(path) if method in (None, seen.method))

    def gaps(self, path: str | None = None) -> list[float]:
        """Return the seconds between each request and the next one, to `path` when given."""
        return [later.at - earlier.at for earlier, later in pairwise(self._to(path))]

    def clear(self) -> None:
        """Forget everything seen so far; requests in progress still count as such."""
        with self._changed:
            self._zero()
            self._changed.notify_all()

    def wait_until(self, true: Callable[[Journal], object], *, timeout: float = 5.0) -> None:
        """Block until `true(journal)`, or raise AssertionError after `timeout` seconds of real time."""
        with self._changed:
            if not self._changed.wait_for(lambda: true(self), timeout):
                raise AssertionError(f"after {timeout:g} s it had still not come true; {self.story()}")

    # Assertions.

    def assert_requests(self, n: int, path: str | None = None) -> None:
        """Fail unless exactly `n` requests came, to `path` when given."""
        self._check(self.count(path) == n, f"expected {n} requests{_to(path)}, {self.count(path)} came")

    def assert_connections(self, n: int) -> None:
        """Fail unless exactly `n` connections were opened."""
        opened = self.connections_opened
        self._check(opened == n, f"expected {n} connections, {opened} were opened")

    def assert_never_more_at_once_than(self, n: int) -> None:
        """Fail when more than `n` requests were ever in progress at once."""
        most = self.most_at_once
        self._check(most <= n, f"expected at most {n} requests at once, there were {most}")

    def assert_gaps_at_least(self, seconds: float, path: str | None = None) -> None:
        """Fail when a request came less than `seconds` after the one before it."""
        short = [f"{gap:.3f}" for gap in self.gaps(path) if gap < seconds - CLOCK_ROUNDING]
        self._check(not short, f"expected gaps of {seconds:g} s or more{_to(path)}, some were {', '.join(short)} s")

    def assert_effects(self, key: str | None, n: int) -> None:
        """Fail unless idempotency `key` took effect exactly `n` times; None is the requests without a key."""
        ran = self.effects.get(key, 0)
        self._check(ran == n, f"expected {n} effects of idempotency key {key!r}, there were {ran}")

    def story(self) -> str:
        """Tell what was seen, one line per request."""
        requests = self.requests
        if not requests:
            return f"nothing was asked, {self.connections_opened} connections opened"
        lines = [
            f"  {place}. +{seen.at - requests[0].at:.3f} s  {seen.method} {seen.target}  "
            f"connection {seen.connection} ({'reused' if seen.reused else 'new'})  {seen.outcome()}"
            for place, seen in enumerate(requests, start=1)
        ]
        return "\n".join(["this was seen:", *lines])

    def _to(self, path: str | None) -> list[Seen]:
        return [seen for seen in self.requests if path in (None, seen.path)]

    def _check(self, holds: bool, claim: str) -> None:
        if not holds:
            raise AssertionError(f"{claim}; {self.story()}")


def _to(path: str | None) -> str:
    return "" if path is None else f" to {path}"
