"""What a call gives back: `Success` or `Failure`, with every attempt it took. Standard library only.

`if result:` and `match` narrow the union for mypy and pyright; `if result.ok:` narrows it for mypy
(pyright narrows `result.ok is True`). Both are picklable, and no repr shows a credential.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NoReturn, Self, TypeAlias, cast

from typing_extensions import TypeVar

from resilient_client import decoding, timeline
from resilient_client.errors import CallFailed
from resilient_client.headers import Headers
from resilient_client.quick import maker
from resilient_client.redact import redact_url

T = TypeVar("T", default=None)
S = TypeVar("S")


class FailureKind(StrEnum):
    """Why an attempt or a call failed. Closed: nothing else is ever reported."""

    DNS = "dns"
    """The name did not resolve."""
    CONNECT = "connect"
    """No connection: refused, unreachable, or a proxy that said no."""
    TLS = "tls"
    """The handshake failed: certificate, host name or protocol."""
    CONNECT_TIMEOUT = "connect_timeout"
    """Name lookup, TCP and TLS together took longer than `Timeouts.connect`."""
    POOL_TIMEOUT = "pool_timeout"
    """A foreign transport had no connection to give in time."""
    READ_TIMEOUT = "read_timeout"
    """The server was silent for longer than `Timeouts.read`."""
    WRITE_TIMEOUT = "write_timeout"
    """The server took nothing for longer than `Timeouts.write`."""
    ATTEMPT_TIMEOUT = "attempt_timeout"
    """The attempt took longer than `Timeouts.attempt`."""
    DEADLINE = "deadline"
    """The time for the whole call was up."""
    RESET = "reset"
    """The connection ended before a whole head had come."""
    TRUNCATED = "truncated"
    """The connection ended after the head, before the body's end."""
    PROTOCOL = "protocol"
    """What came was not HTTP, or contradicted itself."""
    TOO_LARGE = "too_large"
    """Head, header fields or decoded body over the cap."""
    DECODE = "decode"
    """The body did not decode: content coding, text, JSON, the type or the digest asked for."""
    REDIRECT = "redirect"
    """A redirect loop, too many hops, or a target that is refused."""
    BLOCKED = "blocked"
    """The address is not allowed."""
    CLIENT_ERROR = "client_error"
    """A 4xx other than 429."""
    THROTTLED = "throttled"
    """A 429."""
    SERVER_ERROR = "server_error"
    """A 5xx."""
    CIRCUIT_OPEN = "circuit_open"
    """Rejected here: the circuit is open, nothing was sent."""
    BULKHEAD_FULL = "bulkhead_full"
    """Rejected here: no permit and no room to wait, nothing was sent."""
    LOCAL = "local"
    """This machine could not: descriptors, threads, ports, memory, files."""
    UNEXPECTED = "unexpected"
    """An exception of a foreign transport that no rule knows, or a status that `expect=` does not list."""


class StopReason(StrEnum):
    """Why nothing more was tried."""

    NOT_RETRYABLE = "not_retryable"
    """Sending again could not help."""
    NOT_IDEMPOTENT = "not_idempotent"
    """The server may have acted on it, and the call has no idempotency key."""
    BODY_NOT_REPLAYABLE = "body_not_replayable"
    """The request body was an iterator that is used up."""
    MAX_ATTEMPTS = "max_attempts"
    """The policy allows no more attempts."""
    DEADLINE = "deadline"
    """No time was left to wait and try again."""
    BUDGET = "budget"
    """The retry budget is empty: retries are not helping, more would only add load."""
    RETRY_AFTER_TOO_LONG = "retry_after_too_long"
    """The server asked for a longer pause than the policy or the deadline allows."""
    REJECTED = "rejected"
    """A policy rejected it here."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request sent, or refused on its way. Times are seconds.

    `started` counts from the start of the call; `elapsed` includes `queued`, the wait for a bulkhead permit;
    `wait` was slept after it. `reused` tells whether it went over a connection used before. The attempts'
    `elapsed` and `wait` add up to the call's `elapsed`.
    """

    number: int
    started: float
    elapsed: float
    kind: FailureKind | None = None
    status: int | None = None
    reused: bool = False
    wait: float = 0.0
    queued: float = 0.0


def _text(content: bytes, headers: Headers | None) -> str:
    return decoding.text(content, headers.get("content-type") if headers else None)


@dataclass(frozen=True, slots=True)
class Success(Generic[T]):
    """The answer: a status that was expected, with its whole decoded body in `content`.

    `value` is the body as the type given with `decode=`, or the `Downloaded` of a download; else None.
    """

    status: int
    headers: Headers
    content: bytes
    url: str
    elapsed: float
    attempts: tuple[Attempt, ...]
    method: str = "GET"
    value: T = field(default=cast("Any", None))
    ok: Literal[True] = field(default=True, init=False)

    @property
    def text(self) -> str:
        """The body as text in the charset the server named, else UTF-8; bytes that do not fit become U+FFFD."""
        return _text(self.content, self.headers)

    def json(self) -> Any:
        """Return the body parsed as JSON; raises `CallFailed` with kind `decode` when it is none."""
        return self._decoded(decoding.parse_json)

    def decode(self, kind: type[S]) -> S:
        """Return the body as `kind` (dataclass, pydantic model, msgspec struct, TypedDict, ...).

        Raises `CallFailed` with kind `decode` when it does not fit. Anything but a pydantic model needs the extra
        `decode` (msgspec); without it, `ConfigError`.
        """
        decoder = decoding.decoder(kind)
        result: S = self._decoded(decoder)
        return result

    def _decoded(self, decoder: decoding.Decoder[Any]) -> Any:
        try:
            return decoder(self.content)
        except decoding.Undecodable as problem:
            raise CallFailed(self.undecodable(problem)) from problem

    def with_value(self, decoder: decoding.Decoder[S]) -> Success[S] | Failure:
        """Return this answer with its body decoded into `value`, or the `Failure` it is when that does not work."""
        try:
            value = decoder(self.content)
        except decoding.Undecodable as problem:
            return self.undecodable(problem)
        return self._valued(value)

    def _valued(self, value: S) -> Success[S]:
        return Success(
            self.status, self.headers, self.content, self.url, self.elapsed, self.attempts, self.method, value
        )

    def undecodable(self, problem: decoding.Undecodable) -> Failure:
        """Return the `Failure` this answer is when its body cannot be decoded."""
        return Failure(
            kind=FailureKind.DECODE,
            message=str(problem),
            status=self.status,
            headers=self.headers,
            content=self.content,
            url=self.url,
            elapsed=self.elapsed,
            attempts=self.attempts,
            sent=True,
            stopped=StopReason.NOT_RETRYABLE,
            cause=problem,
            method=self.method,
        )

    def unwrap(self) -> Self:
        """Return this success itself; on a `Failure` the same call raises."""
        return self

    def map(self, function: Callable[[Success[T]], S]) -> Success[S] | Failure:
        """Return this answer with what `function` makes of it as its `value`; a `Failure` stays as it is.

        A `CallFailed` from inside, such as a body that is not what `decode(...)` takes, is the failure that comes back.
        """
        try:
            value = function(self)
        except CallFailed as problem:
            return problem.failure
        return self._valued(value)

    def and_then(self, function: Callable[[Success[T]], Success[S] | Failure]) -> Success[S] | Failure:
        """Return what `function` makes of this answer, such as the result of the next call; a `Failure` stays as it is.

        A `CallFailed` from inside is the failure that comes back.
        """
        try:
            return function(self)
        except CallFailed as problem:
            return problem.failure

    async def and_then_await(
        self, function: Callable[[Success[T]], Awaitable[Success[S] | Failure]]
    ) -> Success[S] | Failure:
        """Do what `and_then` does with a coroutine function."""
        try:
            return await function(self)
        except CallFailed as problem:
            return problem.failure

    def explain(self) -> str:
        """Return the timeline of attempts and waits as text."""
        return timeline.explain(self)

    def __bool__(self) -> Literal[True]:
        return True

    def __repr__(self) -> str:
        return (
            f"Success({self.status} {self.method} {redact_url(self.url)}, {len(self.content)} bytes, "
            f"{len(self.attempts)} attempt(s), {self.elapsed:.3f} s)"
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, or not the expected one; `explain()` tells the whole story.

    `status`, `headers` and `content` are there when a server answered. `sent` says whether the server may have
    seen the request in any attempt; `stopped` why nothing more was tried; `retry_after` the seconds after which
    it may make sense again, when the server or the circuit breaker knows.
    """

    kind: FailureKind
    message: str
    url: str
    elapsed: float
    attempts: tuple[Attempt, ...]
    sent: bool
    stopped: StopReason
    status: int | None = None
    headers: Headers | None = None
    content: bytes | None = None
    retry_after: float | None = None
    cause: BaseException | None = field(default=None, compare=False)
    method: str = "GET"
    ok: Literal[False] = field(default=False, init=False)

    @property
    def text(self) -> str:
        """The answer's body as text; empty when there was none."""
        return _text(self.content or b"", self.headers)

    def unwrap(self) -> NoReturn:
        """Raise `CallFailed(self)` from `cause`."""
        raise CallFailed(self) from self.cause

    def map(self, function: Callable[[Any], object]) -> Self:  # noqa: ARG002 - there is nothing to map
        """Return this failure itself."""
        return self

    def and_then(self, function: Callable[[Any], object]) -> Self:  # noqa: ARG002 - nothing follows a failure
        """Return this failure itself."""
        return self

    async def and_then_await(self, function: Callable[[Any], object]) -> Self:  # noqa: ARG002 - see and_then()
        """Return this failure itself."""
        return self

    def summary(self) -> str:
        """Return one line: what was called, how it ended, after how many attempts and how long."""
        return timeline.summary(self)

    def explain(self) -> str:
        """Return the timeline of attempts, waits and the reason it stopped, as text for an incident channel."""
        return timeline.explain(self)

    def __bool__(self) -> Literal[False]:
        return False

    if not TYPE_CHECKING:  # a checker is to find out by itself

        def __getattr__(self, name: str) -> NoReturn:
            """Say of what only a success has why there is none: whoever asked takes it for one."""
            told = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_"):
                told += f"; ask `if result:` before, or call unwrap(). {self.summary()}"
            raise AttributeError(told, name=name, obj=self)

    def __repr__(self) -> str:
        return f"Failure({self.summary()})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_failure, (
            {name: getattr(self, name) for name in _PICKLED},
            _picklable(self.cause),
        )


_PICKLED = (
    *("kind", "message", "url", "elapsed", "attempts", "sent", "stopped"),
    *("status", "headers", "content", "retry_after", "method"),
)


def _picklable(cause: BaseException | None) -> BaseException | None:
    """Return `cause` when it survives pickling, else an exception that says what it was."""
    import pickle  # noqa: PLC0415 - only a pickled failure pays for it

    try:
        pickle.loads(pickle.dumps(cause))  # noqa: S301 - our own object, a moment old
    except Exception:  # noqa: BLE001 - an exception class may break in any way; the failure must survive it
        return RuntimeError(f"{type(cause).__name__}: {cause}")
    return cause


def _restore_failure(fields: dict[str, Any], cause: BaseException | None) -> Failure:
    return Failure(**fields, cause=cause)


new_attempt: Final = maker(Attempt)
new_success: Final = maker(Success[Any])
new_failure: Final = maker(Failure)

Result: TypeAlias = Success[T] | Failure
"""What every call returns."""
