"""Policies: frozen values that say how long, how often and how many. They never count or sleep.

Times are seconds, sizes are bytes. A wrong value is a `ConfigError` when the policy is made, never later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, fields
from math import inf
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from resilient_client.errors import ConfigError
from resilient_client.rules import Choice, Flag, HeaderName, Number, Part, Ratio, Rule, Strategy, Whole, check, setting

if TYPE_CHECKING:
    from tenacity import RetryCallState

MIB: Final = 1024 * 1024

TenacityStrategy = Callable[["RetryCallState"], Any]
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


def _seconds(*, optional: bool = True) -> Rule:
    return Number(optional=optional, above=True, unit="seconds")


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

    connect: float | None = setting(
        Default(2.0), _seconds(), "Name lookup, TCP and TLS of one attempt, all addresses together."
    )
    read: float | None = setting(Default(10.0), _seconds(), "One silence of the server.")
    write: float | None = setting(Default(10.0), _seconds(), "One pause in which the server takes nothing.")
    attempt: float | None = setting(Default(10.0), _seconds(), "One attempt with its body.")
    total: float | None = setting(
        Default(30.0), _seconds(), "The whole call: queueing, connecting, every attempt, backoff and body."
    )
    header: str | None = setting(
        None,
        HeaderName(optional=True, example="X-Request-Timeout-Ms"),
        "A request header that tells the server how many milliseconds are left.",
    )

    def __post_init__(self) -> None:
        check(self)
        self._shrink_defaults()
        attempt, total = self.attempt, self.total
        if attempt is not None and total is not None and attempt > total and not isinstance(total, Default):
            raise ConfigError(
                f"Timeouts(attempt={attempt:g}, total={total:g}): attempt must not be longer than total; "
                f"write attempt={total:g} or less, or leave it out and it shrinks to fit",
                keys=("attempt", "total"),
            )

    def _shrink_defaults(self) -> None:
        if self.total is None or isinstance(self.total, Default):
            return
        for name in ("connect", "read", "write", "attempt"):
            value = getattr(self, name)
            if isinstance(value, Default):
                object.__setattr__(self, name, Default(min(value.original, self.total), value.original))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """How much extra load retries may add when they do not help.

    Each call that sends something deposits `ratio` tokens, time deposits `min_per_second`, a retry takes one; a call
    that succeeds in the end gives back what it took. The balance starts at `burst` and never exceeds `burst` +
    `ratio` x the calls of the last `window` seconds. The defaults are those of Finagle's RetryBudget turned down to
    10 %: in a full outage the load is at most about 1.1 times the calls.
    """

    ratio: float = setting(0.1, Number(), "Tokens a call pays in.")
    burst: float = setting(10, Number(), "Tokens at the start, and what is kept when nothing happens.")
    min_per_second: float = setting(0.1, Number(), "Tokens a second pays in.")
    window: float = setting(10, _seconds(optional=False), "How long a call raises what can be saved.")

    def __post_init__(self) -> None:
        check(self)


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

    max_attempts: int = setting(3, Whole(low=1), "How often to send at most, the first time included.")
    wait_initial: float = setting(0.1, Number(unit="seconds"), "The longest pause before the second attempt.")
    wait_max: float = setting(5, Number(unit="seconds"), "The longest pause before any attempt.")
    factor: float = setting(2, Number(low=1), "By how much the longest pause grows from one attempt to the next.")
    jitter: Literal["full", "none"] = setting(
        "full",
        Choice(choices=("full", "none")),
        'Pauses anywhere up to the longest ("full"), or exactly that ("none").',
    )
    max_retry_after: float = setting(
        30, Number(unit="seconds"), "The longest Retry-After that is waited out; a longer one ends the call."
    )
    budget: RetryBudget | None = setting(
        RetryBudget(), Part(optional=True, kind=RetryBudget), "The ration of retries that do not help."
    )
    wait: TenacityStrategy | None = setting(
        None, Strategy(optional=True, name="wait"), "A tenacity wait strategy in place of the backoff."
    )
    stop: TenacityStrategy | None = setting(
        None, Strategy(optional=True, name="stop"), "A tenacity stop strategy in place of max_attempts."
    )
    retry: TenacityStrategy | None = setting(
        None, Strategy(optional=True, name="retry"), "A tenacity predicate in place of the question what is transient."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.wait_max < self.wait_initial:
            raise ConfigError(
                f"Retry(wait_initial={self.wait_initial:g}, wait_max={self.wait_max:g}): wait_max must be at "
                f"least wait_initial",
                keys=("wait_initial", "wait_max"),
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

    failure_ratio: float = setting(0.5, Ratio(), "It opens when this share of the attempts in the window failed.")
    min_calls: int = setting(20, Whole(low=1), "Attempts that must have ended in the window before it judges.")
    window: float = setting(30, _seconds(optional=False), "How far back it looks.")
    consecutive: int | None = setting(
        None, Whole(low=1, optional=True), "It also opens after so many failures in a row."
    )
    slow: float | None = setting(None, _seconds(), "An attempt that took longer counts as slow.")
    slow_ratio: float = setting(1.0, Ratio(), "It also opens when this share of the attempts was slow.")
    open_for: float = setting(5, _seconds(optional=False), "How long it stays open the first time; it doubles.")
    open_max: float = setting(60, _seconds(optional=False), "How long it stays open at most.")
    probes: int = setting(1, Whole(low=1), "Attempts that may try at a time when that is over.")
    closes_after: int = setting(2, Whole(low=1), "Successes in a row that close it.")
    key: Literal["origin", "client", "route"] = setting(
        "origin", Choice(choices=("origin", "client", "route")), "What has a circuit of its own."
    )

    def __post_init__(self) -> None:
        check(self)
        if self.open_max < self.open_for:
            raise ConfigError(
                f"Breaker(open_for={self.open_for:g}, open_max={self.open_max:g}): open_max must be at least open_for",
                keys=("open_for", "open_max"),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulkhead:
    """How many attempts may be on the wire at once, and how many may wait for a place.

    At most `max_waiting` wait, first come first served, each at most `max_wait` seconds (`None`: until the call's
    deadline); one more is refused at once. `max_waiting=0` never waits.
    """

    max_concurrent: int = setting(100, Whole(low=1), "Attempts on the wire at once.")
    max_waiting: int = setting(100, Whole(), "Callers that may wait for a place; one more is refused at once.")
    max_wait: float | None = setting(
        None, _seconds(), "How long one of them waits; off: until the deadline of its call."
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All policies of a client, or of one call. `None` switches a layer off.

    `redirects` is how many hops to follow (0: a 3xx is the answer, at most 10); `max_body` bounds the decoded
    bytes of an answer. With `allow_private=False` connections go to public addresses only, whatever a name resolves to
    or a redirect says. Use `dataclasses.replace(policy, ...)` to change one part.
    """

    timeouts: Timeouts = setting(Timeouts(), Part(kind=Timeouts), "How long to wait.")
    retry: Retry | None = setting(Retry(), Part(optional=True, kind=Retry), "When to send again.")
    breaker: Breaker | None = setting(
        Breaker(), Part(optional=True, kind=Breaker), "When to stop calling what is down."
    )
    bulkhead: Bulkhead | None = setting(
        Bulkhead(), Part(optional=True, kind=Bulkhead), "How many attempts may be on the wire."
    )
    redirects: int = setting(0, Whole(high=10), "Redirects to follow; 0: a 3xx is the answer.")
    max_body: int = setting(100 * MIB, Whole(unit="bytes"), "The largest answer, decoded.")
    allow_private: bool = setting(
        True, Flag(), "Whether connections may go to addresses that are not public: loopback, private, link-local."
    )

    def __post_init__(self) -> None:
        check(self)


def explicit_total(policy: Policy) -> float:
    """Return the `total` that somebody chose, which a single call may shorten and not lengthen."""
    total = policy.timeouts.total
    return inf if total is None or isinstance(total, Default) else total


def policy_keys(kind: type = Policy, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field[Any]]]:
    """Yield the key of every setting that a file can give, such as `("retry", "budget", "ratio")`, and its field."""
    for one in fields(kind):
        key, rule = (*above, one.name), one.metadata["rule"]
        if not isinstance(rule, Strategy):
            yield key, one
        if isinstance(rule, Part):
            yield from policy_keys(rule.kind, key)
