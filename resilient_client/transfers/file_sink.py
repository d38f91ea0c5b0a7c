"""The sink that is a file: asks for what is missing of it, writes what comes, and puts it in its place."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

from resilient_client.exchange import Answer, Limits, WireError, WireRequest
from resilient_client.result import FailureKind
from resilient_client.sink import Verdict
from resilient_client.transfers.downloaded import Downloaded
from resilient_client.transfers.part import Part
from resilient_client.transfers.resume import Complete, Contradiction, Decision, Have, Piece, StartOver, decide

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from resilient_client.backends import Backend
    from resilient_client.transfers.wanted import Wanted

    T = TypeVar("T")

log: Final = logging.getLogger("resilient_client")

BUFFER: Final = 1024 * 1024
"""Bytes written at a time: few enough to keep, enough that going to another thread costs little."""

AT_LEAST_EVERY: Final = 1.0
"""Seconds after which fewer are written all the same: they are safe then, and whoever looks on sees them."""


class FileSink:
    """Takes the body of one download. `close` it in any case: that lets go of the part file."""

    def __init__(self, wanted: Wanted, url: str, backend: Backend) -> None:
        self._wanted = wanted
        self._backend = backend
        self._part = Part(wanted.target, url, wanted.digest)
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._written = 0.0
        self._asked = Have()
        self._decision: Decision = None
        self._start = 0
        self._progress_failed = False

    # What the wire asks, in this order.

    async def ask(self, request: WireRequest) -> WireRequest:
        """Return `request` for what is missing, uncoded: ranges count coded bytes."""
        if not self._part.is_open:
            await self._on_disk(self._part.open, sent=False)
        self._asked = self._part.have
        headers = [pair for pair in request.headers if pair[0].lower() != b"accept-encoding"]
        headers += [(b"Accept-Encoding", b"identity"), *self._asked.fields()]
        return WireRequest(request.method, request.url, headers, request.body, request.auth)

    def judge(self, answer: Answer, *, good: bool) -> Verdict:
        """Return whether `answer` has what is missing."""
        self._decision = decide(self._asked, answer.status, answer.headers, good=good, received=time.time())
        if isinstance(self._decision, StartOver):
            self._part.forget()
            return Verdict.AGAIN
        if isinstance(self._decision, Complete):
            self._start = self._asked.size
            return Verdict.WHOLE
        return Verdict.LEAVE if self._decision is None else Verdict.TAKE

    async def begin(self, cap: int) -> None:
        """Make the part file ready for the body, unless it is known to be too large."""
        decision = self._decision
        if isinstance(decision, Contradiction):
            raise WireError(FailureKind.PROTOCOL, decision.why, sent=True)
        assert isinstance(decision, Piece)  # noqa: S101 - nothing else has a body to begin
        if decision.total is not None and decision.total > cap:
            raise WireError(
                FailureKind.TOO_LARGE, f"the file has {decision.total} bytes, and max_body is {cap}", sent=True
            )
        await self._on_disk(self._part.begin, decision)
        self._start, self._written = decision.start, self._backend.now()
        self._tell()

    async def keep(self, data: bytes) -> None:
        """Take in the next bytes."""
        self._check_next(len(data))
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered >= BUFFER or self._backend.now() >= self._written + AT_LEAST_EVERY:
            await self._write()

    async def finish(self, limits: Limits) -> Downloaded:
        """Check that the file is whole and right, and put it in its place."""
        await self._write()
        have, wanted = self._part.have, self._wanted
        if have.total not in {None, have.size}:
            raise WireError(FailureKind.TRUNCATED, f"{have.size} of {have.total} bytes came", sent=True)
        await self._check_digest(limits)
        await self._on_disk(self._commit)
        digest = None if wanted.digest is None else str(wanted.digest)
        return Downloaded(wanted.path, have.size, self._start, digest)

    async def pause(self) -> None:
        """Write what has come; when that cannot be, whoever goes on finds out."""
        with contextlib.suppress(WireError):
            await self._write()

    def close(self) -> None:
        """Let go of the part file, with what had come for it. Blocks for no longer than writing a buffer takes."""
        with contextlib.suppress(OSError):
            try:
                if self._part.is_open:
                    self._part.write(self._taken())
            finally:
                self._part.close()

    # How it is done.

    def _check_next(self, count: int) -> None:
        size = self._part.have.size + self._buffered + count
        end = self._decision.end if isinstance(self._decision, Piece) else None
        if end is not None and size > end:
            raise WireError(FailureKind.PROTOCOL, f"more came than the {end} bytes that were announced", sent=True)

    async def _check_digest(self, limits: Limits) -> None:
        wanted = self._wanted.digest
        if wanted is None:
            return
        while await self._on_disk(self._part.digest_on):
            limits.check("what was there before was read again", sent=True)
        found = self._part.digest()
        if found != wanted.value:
            await self._on_disk(self._part.discard)
            raise WireError(
                FailureKind.DECODE, f"the file's digest is {wanted.algorithm}:{found}, not {wanted}", sent=True
            )

    def _commit(self) -> None:
        self._part.commit(overwrite=self._wanted.overwrite)

    def _taken(self) -> bytes:
        data = b"".join(self._buffer)
        self._buffer.clear()
        self._buffered = 0
        return data

    async def _write(self) -> None:
        if self._buffered:
            await self._on_disk(self._part.write, self._taken())
            self._written = self._backend.now()
            self._tell()

    async def _on_disk(self, function: Callable[..., T], *args: object, sent: bool = True) -> T:
        try:
            return await self._backend.offload(function, *args)
        except OSError as problem:
            why = problem.strerror or str(problem)
            if isinstance(problem, BlockingIOError):
                why = "another download to the same place is under way"
            raise WireError(FailureKind.LOCAL, f"{self._part.path}: {why}", sent=sent) from problem

    def _tell(self) -> None:
        """Tell how far it is. A function that raises is logged once, and changes nothing."""
        have, progress = self._part.have, self._wanted.progress
        if progress is None:
            return
        try:
            progress(have.size, have.total)
        except Exception:
            if not self._progress_failed:
                log.exception("progress= raised, which is not logged again for this download: %r", progress)
            self._progress_failed = True
