"""HTTP/1.1 over one stream, written once for threads and tasks: what is sent, received and concluded, and when.

Rules it keeps: a connection is reused only after an answer was read to its exact end and nothing came behind it; an
answer that contradicts itself is never whole; every wait is bounded by the attempt's limits.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, Final

import h11

from resilient_client.exchange import Limits, WireError
from resilient_client.result import FailureKind
from resilient_client.wire.classify import breach, is_tls_alert, said
from resilient_client.wire.heads import MAX_HEAD, MAX_INTERIM, TOO_MANY_INTERIM, excess, too_long
from resilient_client.wire.http1_answer import BODY, END, HEAD, AnswerHead, IncomingAnswer
from resilient_client.wire.http1_request import OutgoingRequest
from resilient_client.wire.sockets import Expired, now
from resilient_client.wire.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resilient_client.exchange import RawHeaders
    from resilient_client.wire.sockets import Network, Stream

HTTP: Final = b"HTTP/"

GRACE: Final = 0.05
"""Seconds for an answer to arrive that a server gave to a request before it had taken all of it."""

NO_REQUEST: Final = OutgoingRequest(b"GET", b"/", [(b"Host", b"")])
NO_ANSWER: Final = IncomingAnswer(NO_REQUEST)
NO_LIMITS: Final = Limits(now)
"""What an idle connection has of an exchange: it keeps no bytes of the last one."""


class Http1Connection:
    """One connection: `exchange`, then `read` until it returns nothing, then perhaps again."""

    multiplexed = False

    def __init__(
        self,
        stream: Stream,
        network: Network,
        *,
        absolute: bytes = b"",
        extra: Sequence[tuple[bytes, bytes]] = (),
        to_switch: bool = False,
    ) -> None:
        self.stream = stream
        self.network = network
        self._absolute = absolute
        self._extra = list(extra)
        self._to_switch = to_switch
        self.request, self.answer, self._limits = NO_REQUEST, NO_ANSWER, NO_LIMITS
        self._ended = False
        self._before = 0
        self._heard = False
        self.early: AnswerHead | None = None
        self._received = self._interim = 0
        self.requests = 0
        self.idle_until = 0.0
        self.kept_for = inf

    # One exchange.

    async def exchange(
        self, method: bytes, target: bytes, headers: RawHeaders, chunks: Any, limits: Limits
    ) -> tuple[int, RawHeaders, str]:
        """Send a request and return status, header fields and version of its answer; raises `WireError`."""
        self._limits = limits
        self._heard = False
        self._received = self._interim = 0
        self._before = self.stream.handed_over
        self.requests += 1
        self.early = None
        fields = headers + self._extra if self._extra else headers
        head = await self._answered(method, self._absolute + target, fields, chunks, limits)
        if (much := excess(head.fields, self._received)) is not None:
            raise self.error(FailureKind.TOO_LARGE, much)
        self.kept_for = head.kept_for
        if head.framed_twice:
            raise self.error(FailureKind.PROTOCOL, "the answer has both Content-Length and Transfer-Encoding")
        return head.status, head.fields, head.version

    async def _answered(
        self, method: bytes, target: bytes, headers: RawHeaders, chunks: Any, limits: Limits
    ) -> AnswerHead:
        try:
            request = self.request = OutgoingRequest(method, target, headers)
        except h11.LocalProtocolError as problem:
            raise self.error(FailureKind.LOCAL, f"the request is not valid HTTP/1.1: {problem}") from problem
        self.answer = IncomingAnswer(request)
        try:
            await Upload(self, limits).send(request, chunks)
        except OSError as problem:
            return self.early or await self._answer_instead(problem, limits)
        if self.early is not None:
            return self.early
        await self._receive()
        return await self._head()

    @property
    def sent(self) -> bool:
        """Whether the server may have seen some of the request."""
        return self.stream.handed_over > self._before

    async def listen(self) -> bool:
        """Take in what came while the request is being sent; True when the server refuses it before it has all of it.

        Never waits. An early success is kept until everything was sent: the server may still be reading.
        """
        while self.early is None and await self.stream.heard():
            await self._receive()
            while (head := self._next_head()) is not None and head.status < 200:
                self._check_interim(head)
            self.early = head
        return self.early is not None and self.early.status >= 300

    async def _answer_instead(self, problem: OSError, limits: Limits) -> Any:
        """Return what the server says to a request that it took only a part of, if it is here; else raise.

        Inside TLS it may have said why it took nothing: TLS 1.3 refuses a client's certificate after the handshake.
        """
        late = isinstance(problem, Expired)
        failure = self._broken(problem)
        if late:
            failure = self.error(limits.expired(FailureKind.WRITE_TIMEOUT), "the server took nothing")
        if not self.sent and self.stream.info("ssl_object") is None:
            raise failure from problem
        self._limits = replace(limits, attempt_until=limits.attempt_until + GRACE, read=GRACE)
        try:
            answer = await self._head()
        except WireError as heard:
            raise heard if heard.kind is FailureKind.TLS else failure from problem
        finally:
            self._limits = limits
        if not self.sent:
            raise failure from problem
        return answer

    async def _head(self) -> AnswerHead:
        while True:
            while (head := self._next_head()) is None:
                await self._receive()
            if head.status >= 200 or (head.status == 101 and self._to_switch):
                return head
            self._check_interim(head)

    def _next_head(self) -> AnswerHead | None:
        try:
            return self.answer.head()
        except h11.RemoteProtocolError as problem:
            raise self._wrong(problem) from problem

    def _check_interim(self, head: AnswerHead) -> None:
        if head.status == 101:
            raise self.error(FailureKind.PROTOCOL, "the server changed protocols without being asked")
        self._interim += 1
        if self._interim > MAX_INTERIM:
            raise self.error(FailureKind.PROTOCOL, TOO_MANY_INTERIM)

    async def read(self) -> bytes:
        """Return the next bytes of the body as they came, empty at its end; raises `WireError`."""
        answer = self.answer
        try:
            while (piece := answer.body()) is None:
                await self._receive()
        except h11.RemoteProtocolError as problem:
            raise self._wrong(problem) from problem
        if answer.trailers and not piece and (much := excess(answer.trailers, self._received, "end")):
            raise self.error(FailureKind.TOO_LARGE, much)
        return piece

    async def _receive(self) -> None:
        """Have the answer take in the next bytes, or the end."""
        limits, answer = self._limits, self.answer
        try:
            data = await self.stream.receive(limits.silence_until(limits.read))
        except Expired as problem:
            raise self.error(limits.expired(FailureKind.READ_TIMEOUT), "the server was silent") from problem
        except OSError as problem:
            raise self._broken(problem) from problem
        if data:
            if not self._heard and not data.startswith(HTTP[: len(data)]):  # the parser would wait for a whole head
                raise self.error(FailureKind.PROTOCOL, f"the answer does not begin as HTTP/1 does: {data[:20]!r}")
            self._heard = True
            self._received += len(data)
            if limits.clock() >= limits.attempt_until:
                limits.check("reading the answer", sent=True)
        elif answer.part == HEAD:
            raise self._broken(None)
        else:
            self._ended = True
        answer.receive(data)

    # What a failure is.

    def error(self, kind: FailureKind, message: str, *, stale: bool = False) -> WireError:
        """Return a failure of this exchange."""
        return WireError(kind, message, sent=self.sent, reused=self.requests > 1, stale=stale)

    def _broken(self, problem: OSError | None) -> WireError:
        how = said(problem) if problem is not None else "closed by the server"
        if is_tls_alert(problem) and not self._heard:
            return self.error(FailureKind.TLS, f"the server ended TLS ({how})")
        if self.answer.part == BODY:
            return self.error(FailureKind.TRUNCATED, f"the connection ended inside the body ({how})")
        stale = self.requests > 1 and not self._heard
        where = "inside the head" if self._heard else "before the first byte of an answer"
        return self.error(FailureKind.RESET, f"the connection ended {where} ({how})", stale=stale)

    def _wrong(self, problem: h11.RemoteProtocolError) -> WireError:
        if self._ended:
            return self.error(FailureKind.TRUNCATED, f"the connection ended inside the body ({problem})")
        if problem.error_status_hint == 431 and self.answer.part == HEAD:
            return self.error(FailureKind.TOO_LARGE, too_long())
        if problem.error_status_hint == 431:
            why = f"a chunk's extension, or what follows the body, is larger than {MAX_HEAD} bytes"
            return self.error(FailureKind.PROTOCOL, why)
        return self.error(FailureKind.PROTOCOL, f"the answer is not valid HTTP/1.1: {breach(problem)}")

    # Between exchanges.

    @property
    def over(self) -> bool:
        """Whether the answer was read to its end."""
        return self.answer.part == END

    def finish(self) -> bool:
        """Make ready for another exchange; False when this connection must not be used again."""
        if self._to_switch or self._ended or not self.request.whole:  # a switch has fields of its own
            return False
        if not self.answer.reusable:
            return False
        self.request, self.answer, self._limits, self.early = NO_REQUEST, NO_ANSWER, NO_LIMITS, None
        return True

    @property
    def reusable(self) -> bool:
        """Whether it still stands, with nothing on it that nobody asked for, and belongs here."""
        return self.stream.usable_here and self.stream.quiet

    @property
    def usable_here(self) -> bool:
        """Whether the running loop of this process may use it."""
        return self.stream.usable_here

    @property
    def beyond(self) -> bytes:
        """What came behind the answer, which is the beginning of the other protocol after a switch."""
        return self.answer.beyond

    def abort(self) -> None:
        """Close at once."""
        self.stream.abort()
