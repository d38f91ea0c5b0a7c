"""One request between its head and the end of its answer: what the script does, what the journal hears.

Both protocols play an exchange the same way; only how a move becomes bytes is theirs.
"""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from resilient_client.testing import steps
from resilient_client.testing.script import Early, Pause, Received, Reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from resilient_client.headers import Headers
    from resilient_client.testing.journal import Journal
    from resilient_client.testing.script import Move, Script, Step

# An upload may be endless; only this much of it is kept for the script and the journal.
BODY_KEPT: Final = 8 * 1024 * 1024

# Sending goes in pieces of this size, so that a client that reads slowly is waited for.
PIECE: Final = 64 * 1024


async def pause(seconds: float) -> None:
    """Wait; `inf` is until cancelled."""
    if seconds == math.inf:
        await asyncio.get_running_loop().create_future()
    await asyncio.sleep(seconds)


@dataclass(slots=True)
class Desk:
    """What every connection of one server shares. `problems` holds what went wrong on the server's own side."""

    script: Script
    journal: Journal
    problems: list[str] = field(default_factory=list)

    def begin(
        self, method: str, target: str, headers: Headers, *, connection: int, left: Callable[[], bool]
    ) -> Exchange:
        """Choose the step for a request whose head has come and enter it in the journal."""
        step, number = self.script.choose(method, target.partition("?")[0], connection)
        return Exchange(self, Received(method, target, headers, number=number, connection=connection), step, left)


class Exchange:
    """One request and its answer; as a context manager it ends in the journal whatever happens inside.

    `left()` says whether the client has gone away, which is what makes an unfinished exchange an aborted one.
    """

    def __init__(self, desk: Desk, head: Received, step: Step | None, left: Callable[[], bool]) -> None:
        self._desk = desk
        self._head = head
        self._step = step or steps.status(404, f"nothing is scripted for {head.method} {head.path}\n")
        self._left = left
        self._body = bytearray()
        self._size = 0
        self._chunks = 0
        self.seen = desk.journal.request_begun(head, at=time.monotonic())

    @property
    def answers_now(self) -> bool:
        """Whether the script answers what has come so far of the body, without waiting for the rest."""
        return isinstance(self._step, Early) and self._size >= self._step.after

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.ended(aborted=self._left())

    def body(self, content: bytes, *, new_chunk: bool) -> None:
        """Take a piece of the request's body; `new_chunk` when the client's framing began a chunk with it."""
        self._size += len(content)
        self._chunks += new_chunk
        self._body += content[: max(0, BODY_KEPT - len(self._body))]

    def moves(self) -> Iterator[Move]:
        """Yield what to do, now that the body is here. A step that raises or says nothing is a problem and resets."""
        body = bytes(self._body)
        self._desk.journal.body_received(self.seen, body)
        head = self._head
        received = Received(
            head.method, head.target, head.headers, body, head.number, head.connection, self._size, self._chunks
        )
        spoke = False
        try:
            for move in self._step(received):
                spoke = spoke or not isinstance(move, Pause)
                yield move
        except Exception:  # noqa: BLE001 - a step is the user's code: whatever it raises is told at teardown
            told = traceback.format_exc()
            self._desk.problems.append(f"the step for {head.method} {head.target} raised:\n{told}")
            yield Reset()
        else:
            if not spoke:
                self._desk.problems.append(f"the step for {head.method} {head.target} ended without an answer")
                yield Reset()

    def answered(self, status: int) -> None:
        """Enter the final status; call it before the head is sent."""
        self._desk.journal.answered(self.seen, status)

    def ended(self, *, aborted: bool = False, reset_by_client: bool = False) -> None:
        """Enter the end; call it before the last byte is sent, so that no client can be quicker."""
        self._desk.journal.request_ended(self.seen, aborted=aborted, reset_by_client=reset_by_client)
