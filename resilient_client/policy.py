"""Policies: frozen values that say how long, how often and how many. They never count or sleep.

Times are seconds, sizes are bytes. A wrong value is a `ConfigError` when the policy is made, never later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from resilient_client.errors import ConfigError

if TYPE_CHECKING:
    from tenacity import RetryCallState

MIB: Final = 1024 * 1024

Strategy = Callable[["RetryCallState"], Any]
"""A tenacity strategy object: it is asked with a `RetryCallState` and never run by tenacity's engine."""


class Default(float):
    """A number nobody chose: it shrinks to fit a number somebody did, and remembers what it was."""

    original: float

    def __new__(cls, value: float, original: float | None = None) -> Self:
        """Make one; `original` is given only when it was shrunk."""
        self = super().__new__(cls, value)
        self.original = value if original is None else original
        return self

    def __reduce__(self) -> tuple[type[Default], tuple[float, float]]:
        return Default, (float(self), self.original)


def _fail(owner: object, name: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(f"{type(owner).__name__}({name}={value!r}): {name} must be {allowed}")


def _number(owner: object, name: str, low: float, *, optional: bool = False, above: bool = False) -> None:
    value = getattr(owner, name)
    if value is None and optional:
        return
    allowed = f"a finite number {'above' if above else 'of at least'} {low:g}{' or None' if optional else ''}"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise _fail(owner, name, value, allowed)
    if value < low or (above and value == low):
        raise _fail(owner, name, value, allowed)


def _whole(owner: object, name: str, low: int, *, optional: bool = False) -> None:
    value = getattr(owner, name)
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise _fail(owner, name, value, f"a whole number of at least {low}{' or None' if optional else ''}")


def _ratio(owner: object, name: str) -> None:
    value = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise _fail(owner, name, value, "a ratio above 0 and at most 1")


def _one_of(owner: object, name: str, allowed: tuple[str, ...]) -> None:
    value = getattr(owner, name)
    if value not in allowed:
        raise _fail(owner, name, value, "one of " + ", ".join(map(repr, allowed)))


def _is_a(owner: object, name: str, kind: type) -> None:
    value = getattr(owner, name)
    if value is not None and not isinstance(value, kind):
        raise _fail(owner, name, value, f"a {kind.__name__} or None (None switches it off)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds. `None` for one of them: only the others bound it.

    `total` bounds the whole call: queueing, name lookup, connecting, every attempt, backoff and body.
    `attempt` bounds one attempt with its body. `connect` bounds name lookup, TCP and TLS of one attempt, all
    addresses together. `read` and `write` bound one silence on the socket. Defaults shrink to fit a
    shorter `total`, so `Timeouts(total=1)` is enough. `header` names a request header that tells the
    server how many milliseconds are left, for instance `"X-Request-Timeout-Ms"`.

    Raises `ConfigError` for a negative, zero or non-finite number and for an explicit `attempt` longer
    than an explicit `total`.
    """

    connect: float | None = Default(2.0)
    read: float | None = Default(10.0)
    write: float | None = Default(10.0)
    attempt: float | None = Default(10.0)
    total: float | None = Default(30.0)
    header: str | None = None

    def __post_init__(self) -> None:
        for name in ("connect", "read", "write", "attempt", "total"):
            _number(self, name, 0, optional=True, above=True)
        self._shrink_defaults()
        attempt, total = self.attempt, self.total
        if attempt is not None and total is not None and attempt > total and not isinstance(total, Default):
            raise ConfigError(
                f"Timeouts(attempt={attempt:g}, total={total:g}): attempt must not be longer than total; "
                f"write attempt={total:g} or less, or leave it out and it shrinks to fit"
            )
        if self.header is not None and not _is_token(self.header):
            raise _fail(self, "header", self.header, "an HTTP header name such as 'X-Request-Timeout-Ms', or None")

    def _shrink_defaults(self) -> None:
        if self.total is None or isinstance(self.total, Default):
            return
        for name in ("connect", "read", "write", "attempt"):
            value = getattr(self, name)
            if isinstance(value, Default):
                object.__setattr__(self, name, Default(min(value.original, self.total), value.original))


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _is_token(text: object) -> bool:
    return isinstance(text, str) and text != "" and _TOKEN.issuperset(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """How much extra load retries may add when they do not help.

    Each call that sends something deposits `ratio` tokens, time deposits `min_per_second`, a retry takes one; a call
    that succeeds in the end gives back what it took. The balance starts at `burst` and never exceeds `burst` +
    `ratio` x the calls of the last `window` seconds. The defaults are those of Finagle's RetryBudget turned down to
    10 %: in a full outage the load is at most about 1.1 times the calls.
    """

    ratio: float = 0.1
    burst: float = 10
    min_per_second: float = 0.1
    window: float = 10

    def __post_init__(self) -> None:
        _number(self, "ratio", 0)
        _number(self, "burst", 0)
        _number(self, "min_per_second", 0)
        _number(self, "window", 0, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When to send again, and how long to wait first.

    `max_attempts` counts the first. Backoff n is uniform in [0, min(`wait_max`, `wait_initial` x `factor`^(n-1))]
    with `jitter="full"`, exactly that bound with `jitter="none"`; after a 429, or a 503 without Retry-After, it
    starts at one second. A Retry-After of up to `max_retry_after` seconds is waited out; a longer one ends the call
    at once. `budget=None` takes the ration off. `wait`, `stop` and `retry` take tenacity strategies in place
    of the backoff, the attempt count and the "is it transient" question; safety (idempotency, replayable
    body, deadline, budget) is never theirs to waive.
    """

    max_attempts: int = 3
    wait_initial: float = 0.1
    wait_max: float = 5
    factor: float = 2
    jitter: Literal["full", "none"] = "full"
    max_retry_after: float = 30
    budget: RetryBudget | None = RetryBudget()
    wait: Strategy | None = None
    stop: Strategy | None = None
    retry: Strategy | None = None

    def __post_init__(self) -> None:
        _whole(self, "max_attempts", 1)
        _number(self, "wait_initial", 0)
        _number(self, "wait_max", 0)
        _number(self, "factor", 1)
        _number(self, "max_retry_after", 0)
        _one_of(self, "jitter", ("full", "none"))
        _is_a(self, "budget", RetryBudget)
        for name in ("wait", "stop", "retry"):
            strategy = getattr(self, name)
            if strategy is not None and not callable(strategy):
                raise _fail(self, name, strategy, f"a tenacity {name} strategy (a callable of RetryCallState) or None")
        if self.wait_max < self.wait_initial:
            raise ConfigError(
                f"Retry(wait_initial={self.wait_initial:g}, wait_max={self.wait_max:g}): wait_max must be at "
                f"least wait_initial"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When to stop calling a dependency that is down, and how to find out that it is back.

    Opens when at least `min_calls` calls of the last `window` seconds ended and `failure_ratio` of them failed, or
    after `consecutive` failures in a row, or when `slow_ratio` of them took longer than `slow` seconds (`None`: not
    used). Open for `open_for` seconds, doubled per re-opening up to `open_max`, with 10 % jitter. Then `probes`
    calls at a time may try; `closes_after` successes in a row close it, one failure opens it again. One circuit per
    `key`: the call's "origin", its "route", or one for the whole "client".
    """

    failure_ratio: float = 0.5
    min_calls: int = 20
    window: float = 30
    consecutive: int | None = None
    slow: float | None = None
    slow_ratio: float = 1.0
    open_for: float = 5
    open_max: float = 60
    probes: int = 1
    closes_after: int = 2
    key: Literal["origin", "client", "route"] = "origin"

    def __post_init__(self) -> None:
        _ratio(self, "failure_ratio")
        _ratio(self, "slow_ratio")
        _whole(self, "min_calls", 1)
        _whole(self, "consecutive", 1, optional=True)
        _whole(self, "probes", 1)
        _whole(self, "closes_after", 1)
        _number(self, "window", 0, above=True)
        _number(self, "slow", 0, optional=True, above=True)
        _number(self, "open_for", 0, above=True)
        _number(self, "open_max", 0, above=True)
        _one_of(self, "key", ("origin", "client", "route"))
        if self.open_max < self.open_for:
            raise ConfigError(
                f"Breaker(open_for={self.open_for:g}, open_max={self.open_max:g}): open_max must be at least open_for"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulkhead:
    """How many attempts may be on the wire at once, and how many may wait for a place.

    At most `max_waiting` wait, first come first served, each at most `max_wait` seconds (`None`: until the call's
    deadline); one more is refused at once. `max_waiting=0` never waits.
    """

    max_concurrent: int = 100
    max_waiting: int = 100
    max_wait: float | None = None

    def __post_init__(self) -> None:
        _whole(self, "max_concurrent", 1)
        _whole(self, "max_waiting", 0)
        _number(self, "max_wait", 0, optional=True, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All policies of a client, or of one call. `None` switches a layer off.

    `redirects` is how many hops to follow (0: a 3xx is the answer, at most 10); `max_body` bounds the decoded
    bytes of an answer. Use `dataclasses.replace(policy, ...)` to change one part.
    """

    timeouts: Timeouts = Timeouts()
    retry: Retry | None = Retry()
    breaker: Breaker | None = Breaker()
    bulkhead: Bulkhead | None = Bulkhead()
    redirects: int = 0
    max_body: int = 100 * MIB

    def __post_init__(self) -> None:
        for part, kind in (("retry", Retry), ("breaker", Breaker), ("bulkhead", Bulkhead)):
            _is_a(self, part, kind)
        if not isinstance(self.timeouts, Timeouts):
            raise _fail(self, "timeouts", self.timeouts, "a Timeouts (set single times to None to unbound them)")
        _whole(self, "redirects", 0)
        if self.redirects > 10:
            raise _fail(self, "redirects", self.redirects, "a whole number from 0 to 10")
        _whole(self, "max_body", 0)
