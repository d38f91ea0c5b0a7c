"""Where the body of an answer goes in place of memory: what the wire asks of it, and in which order.

For each attempt `ask`, then `judge` with the answer; when that says `AGAIN`, both once more. An answer to `TAKE` is put
in with `begin` and `keep`, and `finish` says that it was whole; one that breaks off ends with `pause`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from resilient_client.exchange import Answer, Limits, WireRequest


class Verdict(Enum):
    """What an answer is to a sink."""

    TAKE = "its body is what was asked for"
    WHOLE = "it says that nothing is missing"
    AGAIN = "it does not go with what is there: ask once more, for everything"
    LEAVE = "it is none of the sink's business, and is read like any other answer"


class Sink(Protocol):
    """Takes the body of one call, over all its attempts. Its methods raise `WireError` for what goes wrong with it."""

    async def ask(self, request: WireRequest) -> WireRequest:
        """Return `request` so that it asks for what is missing."""
        ...

    def judge(self, answer: Answer, *, good: bool) -> Verdict:
        """Return what `answer` is; `good` when its status was expected."""
        ...

    async def begin(self, cap: int) -> None:
        """Make ready for the body of the answer that was judged last; the whole is to have `cap` bytes at most."""
        ...

    async def keep(self, data: bytes) -> None:
        """Take in the next bytes."""
        ...

    async def finish(self, limits: Limits) -> Any:
        """Return what came of it, the call's value; raises when something is missing after all."""
        ...

    async def pause(self) -> None:
        """Put away what has come of a body that broke off; never raises."""
        ...
