"""One call on its way through the pipeline: what was asked, how long is left, what was tried."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from resilient_client.events import NOBODY, AttemptEnded, CallInfo, Event, Heard, tell
from resilient_client.exchange import Outcome, Url
from resilient_client.redact import redact_url
from resilient_client.result import Attempt, Result, StopReason, new_attempt, new_failure, new_success

if TYPE_CHECKING:
    from resilient_client.decoding import Decoder
    from resilient_client.exchange import WireRequest
    from resilient_client.policy import Policy
    from resilient_client.sink import Sink
    from resilient_client.still_open import StillOpen

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""Methods whose repetition has the effect of one (RFC 9110, section 9.2.2)."""


@dataclass(slots=True, eq=False)
class Call:
    """The record one call carries through the layers. Times are readings of the backend's clock.

    `now` is the last of them: whoever waits reads the clock afterwards, and the others go by that.
    """

    request: WireRequest
    policy: Policy
    client: str
    started: float
    mark: float = 0.0
    now: float = 0.0
    heard: Heard = field(default_factory=lambda: NOBODY)
    route: str | None = None
    expect: frozenset[int] | None = None
    decoder: Decoder[Any] | None = None
    idempotency_key: str | None = None
    at_most: float = inf
    streaming: bool = False
    on_complete: Callable[[Result[Any]], object] | None = None
    deadline: float = inf
    live: StillOpen | None = None
    sink: Sink | None = None
    attempts: list[Attempt] = field(default_factory=list)
    stopped: StopReason = StopReason.NOT_RETRYABLE
    sent: bool = False
    queued: float = 0.0
    exchanges: int = 0
    told: CallInfo | None = None

    @property
    def repeatable(self) -> bool:
        """Whether sending it again has the effect of sending it once."""
        return self.idempotency_key is not None or self.request.method in SAFE_METHODS

    def record(self, outcome: Outcome, now: float) -> None:
        """Close the attempt that began at the last mark."""
        self.sent = self.sent or outcome.sent
        attempts, mark = self.attempts, self.mark
        kind, status, reused = outcome.kind, outcome.status, outcome.reused
        attempts.append(
            new_attempt(len(attempts) + 1, mark - self.started, now - mark, kind, status, reused, 0.0, self.queued)
        )
        self.mark = now
        self.queued = 0.0
        if outcome.live is None and AttemptEnded in self.heard:
            self._tell_attempt()

    def amend(self, outcome: Outcome | None, now: float) -> None:
        """Note on the last attempt how its body ended, which was still being read when it was recorded."""
        last = self.attempts[-1]
        kind = None if outcome is None else outcome.kind
        self.attempts[-1] = replace(last, kind=kind, elapsed=now - self.started - last.started)
        self.mark = now
        if outcome is not None and AttemptEnded in self.heard:
            self._tell_attempt()

    def _tell_attempt(self) -> None:
        self.tell(AttemptEnded(self.info, self.attempts[-1]))

    @property
    def info(self) -> CallInfo:
        """The call as events know it; made when the first of them is."""
        if self.told is None:
            request, url = self.request, self.request.url
            self.told = CallInfo(self.client, request.method, redact_url(str(url)), url.host, port_of(url), self.route)
        return self.told

    def tell(self, event: Event) -> None:
        """Tell an event to those who hear it; ask `heard` before making one."""
        tell(self.heard, event)

    def waited(self, now: float) -> None:
        """Note on the last attempt that the time since the mark was slept."""
        last = self.attempts[-1]
        self.attempts[-1] = new_attempt(
            last.number,
            last.started,
            last.elapsed,
            last.kind,
            last.status,
            last.reused,
            now - self.mark,
            last.queued,
        )
        self.mark = self.now = now


def port_of(url: Url) -> int:
    """Return the port of `url`, filled in when it has none."""
    return url.port or (443 if url.scheme == "https" else 80)


Handler: TypeAlias = Callable[[Call], Coroutine[Any, Any, Outcome]]
"""The one shape of every layer: a call in, how it ended out."""


def result_of(call: Call, outcome: Outcome, now: float) -> Result[Any]:
    """Return what the caller gets: `outcome`, with the call's attempts and times around it."""
    url = (outcome.url or call.request.url).text
    method = call.request.method
    elapsed = now - call.started
    attempts = tuple(call.attempts)
    if outcome.kind is not None:
        return new_failure(
            outcome.kind,
            outcome.message,
            url,
            elapsed,
            attempts,
            call.sent,
            call.stopped,
            outcome.status,
            outcome.headers,
            outcome.content,
            outcome.retry_after,
            outcome.cause,
            method,
        )
    assert outcome.status is not None  # noqa: S101 - an outcome without a kind is an answer
    assert outcome.headers is not None  # noqa: S101
    success = new_success(
        outcome.status, outcome.headers, outcome.content or b"", url, elapsed, attempts, method, outcome.value
    )
    if call.decoder is None or outcome.status >= 400:  # an expected 404 is an answer, but not the thing asked for
        return success
    return success.with_value(call.decoder)
