"""Explain what holds for a client or a route: each value with where it came from, and all of them in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from resilient_client.config.client_keys import CLIENT_KEYS
from resilient_client.config.forms import OFF, shown
from resilient_client.config.layers import ON, Key, Merged, as_written
from resilient_client.config.references import stands_for_all
from resilient_client.config.resolve import ClientSettings, RouteSettings
from resilient_client.policy import Bulkhead, Default, Policy, Retry, policy_keys
from resilient_client.redact import REDACTED, redact_header, redact_url
from resilient_client.rules import Part
from resilient_client.worst_case import WorstCase, worst_case


@dataclass(frozen=True, slots=True)
class Row:
    """One value: its key, the value as a file would have it, and where it came from."""

    key: str
    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What holds for one client, or for its calls to one route; `str()` is the whole as plain text."""

    client: str
    route: str | None
    rows: tuple[Row, ...]
    worst: WorstCase
    words: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the same as values for JSON; a time without a bound is None."""
        worst = self.worst.seconds
        return {
            "client": self.client,
            "route": self.route,
            "values": [asdict(row) for row in self.rows],
            "worst_case": {"attempts": self.worst.attempts, "seconds": None if worst == inf else worst},
            "words": list(self.words),
        }

    def __str__(self) -> str:
        width = max(len(f"{row.key} = {shown(row.value)}") for row in self.rows)
        values = [f"  {f'{row.key} = {shown(row.value)}':<{width}}  {row.source}" for row in self.rows]
        drawing = [f"  {line}" for line in self.worst.drawing().splitlines()]
        return "\n".join([self.title, *values, "", *self.words, *([""] if drawing else []), *drawing])

    @property
    def title(self) -> str:
        """What is explained."""
        return f"{self.client}, {self.route}" if self.route else f"{self.client}, every call without a route of its own"


def explained(settings: ClientSettings, route: RouteSettings | None) -> Explanation:
    """Return the explanation of a client, or of one of its routes."""
    merged, policy = (settings.merged, settings.policy) if route is None else (route.merged, route.policy)
    worst = worst_case(policy)
    rows = (*_options(settings), *_values(merged, policy))
    return Explanation(
        settings.name, None if route is None else str(route.route), rows, worst, tuple(_words(policy, worst))
    )


def _options(settings: ClientSettings) -> Iterator[Row]:
    for key, found in settings.merged.items():
        if key[0] in CLIENT_KEYS and found.value != ON:
            yield Row(".".join(key), _harmless(key, found.value), str(found.origin))


def _harmless(key: Key, value: Any) -> Any:
    """Return a value of a client as it may be shown: references as they are, credentials not at all."""
    if key[0] == "headers":
        return value if stands_for_all(value) else redact_header(key[1], value)
    if key[0] == "base_url":
        return redact_url(value)
    if key[0] == "proxy":
        user = value.partition("://")[2].rpartition("@")[0]
        return value if not user or stands_for_all(user.partition(":")[2]) else redact_url(value)
    if key[0] == "cert" and not isinstance(value, str) and len(value) == 3 and not stands_for_all(value[2]):
        return [*value[:2], REDACTED]
    return value


def _values(merged: Merged, policy: Policy) -> Iterator[Row]:
    for key, one in policy_keys():
        part: Any = policy
        for name in key[:-1]:
            part = getattr(part, name) if part is not None else None
        if part is None:
            continue
        value = getattr(part, key[-1])
        if not isinstance(one.metadata["rule"], Part):
            yield Row(".".join(key), as_written(key, value), _source(merged, key, value))
        elif value is None:
            yield Row(".".join(key), OFF, _source(merged, key, value))


def _source(merged: Merged, key: Key, value: Any) -> str:
    found = merged.get(key)
    shrunk = ", shrunk to fit total" if isinstance(value, Default) and value != value.original else ""
    return f"{'default' if found is None else found.origin}{shrunk}"


# In words.


def _words(policy: Policy, worst: WorstCase) -> Iterator[str]:
    yield worst.words()
    if worst.cut:
        yield f"the deadline cuts it: what the attempts and pauses may take is more than {_s(worst.seconds)}"
    if policy.retry is not None and policy.retry.max_attempts > 1:
        yield from _of_retry(policy.retry)
    if policy.bulkhead is not None:
        yield _of_bulkhead(policy.bulkhead)
    yield _of_breaker(policy)
    yield f"redirects are {f'followed up to {policy.redirects} times' if policy.redirects else 'not followed'}"
    if not policy.allow_private:
        yield "connections go to public addresses only"


def _of_retry(retry: Retry) -> Iterator[str]:
    yield (
        "sent again only when that is safe: an idempotent method, an idempotency key, nothing sent yet, or a 429; "
        f"a Retry-After of up to {_s(retry.max_retry_after)} is waited out"
    )
    if retry.budget is None:
        yield "no retry budget: in an outage every call is tried as often as that"
    else:
        ratio, burst = retry.budget.ratio, retry.budget.burst
        yield f"in an outage retries add at most {ratio:.0%} to the load, after the first {burst:g}"


def _of_bulkhead(bulkhead: Bulkhead) -> str:
    if not bulkhead.max_waiting:
        return f"at most {bulkhead.max_concurrent} on the wire at once; one more is refused at once"
    limit = "until their deadline" if bulkhead.max_wait is None else f"at most {_s(bulkhead.max_wait)}"
    return f"at most {bulkhead.max_concurrent} on the wire at once; {bulkhead.max_waiting} more wait, {limit}"


def _of_breaker(policy: Policy) -> str:
    breaker = policy.breaker
    if breaker is None:
        return "no circuit breaker: a service that is down is called all the same"
    also = f", or after {breaker.consecutive} failures in a row" if breaker.consecutive else ""
    slow = f", or when {breaker.slow_ratio:.0%} took longer than {_s(breaker.slow)}" if breaker.slow else ""
    return (
        f"a circuit per {breaker.key} opens when {breaker.failure_ratio:.0%} of at least {breaker.min_calls} attempts "
        f"in {_s(breaker.window)} failed{also}{slow}; then calls are refused for {_s(breaker.open_for)}, doubling up "
        f"to {_s(breaker.open_max)}"
    )


def _s(value: float) -> str:
    return f"{value:g} s"
