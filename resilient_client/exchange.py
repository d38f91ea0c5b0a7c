"""What crosses the seam between the pipeline and a wire: request, limits, outcome. Standard library only."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from resilient_client.headers import Headers
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resilient_client.still_open import StillOpen

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URL, taken apart once. `target` is path and query; user-info and fragment are never part of it."""

    scheme: str
    host: str
    port: int | None
    target: str
    origin: str = field(init=False, repr=False, compare=False)
    """Scheme, host and port, the port filled in: `https://payments:443`."""
    text: str = field(init=False, repr=False, compare=False)
    """The whole of it."""

    def __post_init__(self) -> None:  # URLs are remembered, and asked for these at every call
        place = f"{self.scheme}://{self.netloc_host}"
        port = "" if self.port is None else f":{self.port}"
        object.__setattr__(self, "origin", f"{place}:{self.port or (443 if self.scheme == 'https' else 80)}")
        object.__setattr__(self, "text", f"{place}{port}{self.target}")

    def at(self, target: str) -> Url:
        """Return the URL of another target in the same place."""
        return Url(self.scheme, self.host, self.port, target)

    @property
    def netloc_host(self) -> str:
        """The host as it stands in a URL: an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return self.text


class Body(Protocol):
    """A request body that knows whether it can be sent again."""

    @property
    def content(self) -> bytes | None:
        """The whole body when it is in memory, else None."""
        ...

    @property
    def replayable(self) -> bool:
        """Whether `chunks()` gives the same bytes once more."""
        ...

    def chunks(self) -> Iterable[bytes] | AsyncIterable[bytes]:
        """Start over and return the body's pieces."""
        ...


class Handshake(Protocol):
    """The wish to change protocols, on one connection."""

    fields: RawHeaders
    """What to send with the request."""

    def check(self, headers: RawHeaders) -> None:
        """Raise `WireError` unless `headers`, those of a 101, grant exactly what was asked for."""
        ...


class Upgrade(Protocol):
    """Another protocol, which a request asks its connection to change to."""

    name: str

    def handshake(self) -> Handshake:
        """Return a new handshake; each connection has its own."""
        ...

    def open(self, outcome: Outcome, answer: Answer, limits: Limits) -> StillOpen:
        """Return what is open from now on, for an `answer` whose connection was `switched`."""
        ...


@dataclass(slots=True)
class WireRequest:
    """One request as a wire sends it. `auth` is opaque here: only the wire that understands it looks inside.

    `upgrade`: it goes over a connection of its own, and asks to change protocols there.
    """

    method: str
    url: Url
    headers: RawHeaders = field(repr=False)
    body: Body = field(repr=False)
    auth: Any = field(default=None, repr=False)
    upgrade: Upgrade | None = field(default=None, repr=False)


@dataclass(slots=True)
class Limits:
    """How long the parts of one attempt may last: `attempt_until` as a reading of `clock`, the others in seconds.

    `attempt_until` is never past the call's deadline; `attempt_kind` tells which of the two it is. `public_only`:
    connections go to public addresses only. `stream_until`: for an answer that may be read piece by piece, the deadline
    that alone bounds its body once that has begun, by when `attempt_until` is moved to it; None for one that is read
    whole.
    """

    clock: Callable[[], float]
    attempt_until: float = inf
    attempt_kind: FailureKind = FailureKind.ATTEMPT_TIMEOUT
    connect: float = inf
    read: float = inf
    write: float = inf
    public_only: bool = False
    stream_until: float | None = None

    def connecting_until(self) -> float:
        """Return until when a connection begun now must stand."""
        return min(self.clock() + self.connect, self.attempt_until)

    def silence_until(self, silence: float) -> float:
        """Return until when a socket operation may last that may be silent for `silence` seconds."""
        return min(self.clock() + silence, self.attempt_until)

    def begin(self, silence: float, doing: str, *, sent: bool) -> float:
        """Do what `check` and `silence_until` do, with one look at the clock."""
        moment = self.clock()
        if moment >= self.attempt_until:
            self.check(doing, sent=sent)
        return min(moment + silence, self.attempt_until)

    def expired(self, phase: FailureKind) -> FailureKind:
        """Return the kind of a wait that ran out in `phase`: the attempt's own when that is up, else the phase's."""
        return self.attempt_kind if self.clock() >= self.attempt_until else phase

    def check(self, doing: str, *, sent: bool) -> None:
        """Raise `WireError` when the attempt's time is up; for loops whose single steps never wait."""
        if self.clock() >= self.attempt_until:
            raise WireError(self.attempt_kind, f"the time was up while {doing}", sent=sent)


class WireError(Exception):
    """An attempt that ended without a whole answer, already classified. Never leaves the package.

    `sent`: the server may have seen the request. `stale`: a connection used before died before the first byte of
    the answer, which says nothing about the server's health. `lasting`: sent again, the same would come of it.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        sent: bool,
        reused: bool = False,
        stale: bool = False,
        lasting: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.sent = sent
        self.reused = reused
        self.stale = stale
        self.lasting = lasting


class AnswerBody(Protocol):
    """The body of an answer, pulled piece by piece."""

    async def read(self) -> bytes:
        """Return the next bytes as they came, empty at the end; raises `WireError`."""
        ...

    def abort(self) -> None:
        """Let go of the rest: the connection is not used again. Never waits; harmless after the end."""
        ...


@dataclass(slots=True)
class Exchanged:
    """A request of an authentication flow that was answered on the way to the real answer."""

    status: int
    reused: bool


@dataclass(slots=True)
class Answer:
    """A status line, header fields, and a body still to be read."""

    status: int
    headers: Headers
    body: AnswerBody
    reused: bool = False
    http_version: str = "HTTP/1.1"
    peer: Callable[[], tuple[str, int] | None] | None = None
    """Asks for the address at the other end; not called when nobody wants to know."""
    switched: Any = None
    """The connection, when it changed protocols; opaque here: the `Upgrade` that was asked for looks inside."""


class Hops(Protocol):
    """Hears of the requests that an auth flow puts on the wire."""

    def begins(self, method: str, url: Url) -> RawHeaders:
        """Take note of a request that is about to be sent; returns fields to set in it."""
        ...

    def answered(self, answer: Answer) -> None:
        """Take note of an answer that another request of the flow follows."""
        ...


class Wire(Protocol):
    """Sends one request and gives back the start of its answer, or raises `WireError`.

    Other wires implement this and nothing else. A wire must honour every limit, must leave nothing behind when it is
    interrupted at any point, and gives a connection back only when an answer was read to its end. One that keeps
    `Limits.public_only`, for each connection that carries the request, has a true attribute `judges_addresses`, and one
    that keeps `WireRequest.upgrade` has a true attribute `upgrades`; others are not given such requests. One whose
    `close()` may wait has a `retire()` that does the same and does not, for a client that goes over to another wire.
    One that has something to make ready has a `prepare(policies)`, which may raise `ConfigError`.
    """

    async def send(self, request: WireRequest, limits: Limits, *, fresh: bool, hops: Hops) -> Answer:
        """Send `request`; with `fresh` over a new connection. `hops` hears of what happens inside an auth flow."""
        ...

    async def close(self) -> None:
        """Close every connection for good."""
        ...


@dataclass(slots=True)
class Outcome:
    """How one attempt ended. `kind` is None for an answer that was expected.

    `cut_short`: the call's deadline took a good part of the attempt's time. `shut_for`: for so many seconds a policy
    below will let nothing through, so that waiting less is of no use. `live`: the body that is still to be read, or the
    connection that changed protocols. `value`: what a sink made of the body. `begun`: when its first bytes came, for a
    body that may take its time.
    """

    kind: FailureKind | None
    message: str = ""
    status: int | None = None
    headers: Headers | None = None
    content: bytes | None = None
    url: Url | None = None
    sent: bool = True
    reused: bool = False
    stale: bool = False
    lasting: bool = False
    cut_short: bool = False
    retry_after: float | None = None
    shut_for: float = 0.0
    cause: BaseException | None = field(default=None, repr=False)
    live: StillOpen | None = field(default=None, repr=False)
    value: Any = field(default=None, repr=False)
    begun: float | None = None

    @classmethod
    def of_error(cls, error: WireError) -> Outcome:
        """Return the outcome that a wire's error is."""
        return cls(
            error.kind,
            error.message,
            sent=error.sent,
            reused=error.reused,
            stale=error.stale,
            lasting=error.lasting,
            cause=error.__cause__ or error,
        )


def expected(status: int, expect: Sequence[int] | frozenset[int] | None) -> bool:
    """Return whether `status` is a success: listed in `expect`, or below 400 when there is no list."""
    return 200 <= status < 400 if expect is None else status in expect
