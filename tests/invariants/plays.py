"""What may happen to a call: how the far side plays, and under which policies."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from resilient_client import Breaker, Bulkhead, Policy, Retry, RetryBudget, Timeouts
from resilient_client.testing import steps

PATHS = ("/a", "/b")

MAX_BODY = 4000

PLAYS = {
    "ok": steps.ok(),
    "slow": steps.ok(after=0.7),
    "text": steps.status(200, b"t" * 3000),
    "404": steps.status(404),
    "429": steps.status(429),
    "429-after": steps.retry_after(429, 1),
    "500": steps.status(500, after=0.1),
    "503": steps.status(503),
    "503-after": steps.retry_after(503, 2),
    "503-long": steps.retry_after(503, 1000),
    "hang": steps.hang(),
    "drip-body": steps.drip_body(2, pieces=10),
    "drip-head": steps.drip_head(2),
    "endless": steps.endless_body(piece=b"x" * 100, every=0.05),
    "too-large": steps.status(200, b"l" * (MAX_BODY + 1)),
    "close": steps.close(),
    "late-reset": steps.reset(after=0.3),
    "short": steps.short_body(),
    "reset-in-body": steps.reset_in_body(),
    "last": steps.last_answer(steps.ok()),
    "garbage": steps.garbage(),
    "bad-chunk": steps.bad_chunk(),
    "second": steps.second_answer(),
    "gzip": steps.gzipped(),
    "cut-gzip": steps.cut_gzip(),
    "lines": steps.event_lines(["data: one", "", "data: two", ""], every=0.2),
}

plays = st.lists(st.sampled_from(sorted(PLAYS)), min_size=1, max_size=4)


def off_or(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.just("off"), strategy)


budgets = st.fixed_dictionaries(
    {
        "ratio": st.sampled_from([0.0, 0.0, 0.1, 1.0]),
        "burst": st.integers(0, 5),
        "min_per_second": st.sampled_from([0.0, 0.0, 0.5]),
        "window": st.just(5),
    }
)
tables = st.fixed_dictionaries(
    {
        "max_body": st.just(MAX_BODY),
        "timeouts": st.fixed_dictionaries(
            {"total": st.sampled_from([0.5, 1.5, 4.0, 10.0]), "attempt": st.sampled_from([0.25, 0.5])}
        ),
        "retry": st.fixed_dictionaries(
            {"max_attempts": st.integers(1, 4), "wait_initial": st.sampled_from([0.0, 0.1]), "budget": off_or(budgets)}
        ),
        "breaker": off_or(
            st.fixed_dictionaries(
                {
                    "min_calls": st.integers(1, 4),
                    "window": st.just(10),
                    "open_for": st.sampled_from([0.2, 1.0]),
                    "probes": st.integers(1, 2),
                    "closes_after": st.integers(1, 2),
                    "key": st.sampled_from(["origin", "client"]),
                }
            )
        ),
        "bulkhead": off_or(
            st.fixed_dictionaries(
                {
                    "max_concurrent": st.integers(1, 3),
                    "max_waiting": st.integers(0, 3),
                    "max_wait": off_or(st.sampled_from([0.1, 0.6])),
                }
            )
        ),
    }
)
"""The table of a client in a policy file."""

OWN = (
    None,
    None,
    None,
    Policy(
        timeouts=Timeouts(total=1.2, attempt=0.4),
        retry=Retry(max_attempts=3, wait_initial=0.05, budget=RetryBudget(ratio=0, burst=3, min_per_second=0)),
        breaker=Breaker(min_calls=2, open_for=0.5),
        bulkhead=Bulkhead(max_concurrent=1, max_waiting=2),
        max_body=MAX_BODY,
    ),
    Policy(timeouts=Timeouts(total=0.6), retry=None, breaker=None, bulkhead=None, max_body=MAX_BODY),
)
"""Policies that single calls bring; mostly none."""

requests = st.fixed_dictionaries(
    {
        "path": st.sampled_from(PATHS),
        "method": st.sampled_from(["GET", "GET", "POST", "PUT"]),
        "key": st.booleans(),
        "own": st.sampled_from(OWN),
        "ambient": st.sampled_from([None, None, None, 0.0, 0.3, 1.0]),
    }
)

readings = st.fixed_dictionaries(
    {
        "upto": st.sampled_from([None, None, 0, 1, 3]),
        "pause": st.sampled_from([0.0, 0.0, 0.3]),
        "then": st.sampled_from(["leave", "leave", "raise"]),
    }
)
"""How far a stream is read, how long its reader takes over a piece, and how it goes."""
