"""A success that is still open: a body that is read piece by piece, or a WebSocket; and the failure it may become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from resilient_client.exchange import Outcome
from resilient_client.pipeline.call import Call, result_of
from resilient_client.redact import redact_url
from resilient_client.result import Failure, Result, Success
from resilient_client.still_open import StillOpen

Failed: TypeAlias = Callable[[Outcome], Failure]
"""Makes the failure that the call is when what it left open ended as the outcome says."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Opened(Success[None]):
    """A success whose `content` stays empty: what comes is asked for, inside the block."""

    live: StillOpen | None = field(default=None, repr=False, compare=False)
    failed: Failed | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        answer = f"{self.status} {self.method} {redact_url(self.url)}"
        return f"{type(self).__name__}({answer}, {len(self.attempts)} attempt(s))"


O_ = TypeVar("O_", bound=Opened)

OF_AN_ANSWER: Final = ("status", "headers", "content", "url", "elapsed", "attempts", "method")


def opened(kind: type[O_], call: Call, result: Result[Any], clock: Callable[[], float], **more: Any) -> O_ | Failure:
    """Return the answer of a call as the `kind` that uses what it left open; a failure as it is."""
    if not result:
        return result

    def failed(outcome: Outcome) -> Failure:
        failure = result_of(call, outcome, clock())
        assert not failure  # noqa: S101 - it is asked for when something went wrong
        return failure

    given: dict[str, Any] = {name: getattr(result, name) for name in OF_AN_ANSWER}
    return kind(**given, live=call.live, failed=failed, **more)
