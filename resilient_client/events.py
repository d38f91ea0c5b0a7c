"""What is told: typed events, each an immutable value, and how they reach whoever listens.

A listener is a function of one event. With an attribute `hears`, the types of events it wants, it is told only those;
when `hears` is a mapping, each type goes straight to its function. An event that nobody wants is not built; before a
refusal or a failed call is told, a listener may say that it passes over it, see `wanting`. A listener that raises is
logged once and never changes what happens. Events hold no credentials: URLs are redacted. They are named tuples, which
are made in half the time of a frozen dataclass.

::

    CallStarted                                  one per call, first
      ExchangeStarted                            one per request on the wire, redirect and auth hops included
      ExchangeAnswered                           its head has come
      ExchangeEnded                              its body was read, or it ended in another way
      PermitAwaited, Rejected, CircuitCounted    what the bulkhead and the circuit said
      AttemptEnded                               one per `Attempt` of the result
      RetryScheduled                             before the pause
    CallSucceeded | CallGivenUp | CallCancelled  one per call, last

    CircuitChanged                               once per change, whoever's call made it
    ConfigReloaded | ConfigReloadFailed          from a policy file
"""

import logging
import weakref
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias  # annotations as text would be compiled one by one

from resilient_client.errors import ConfigError
from resilient_client.result import Attempt, Failure, FailureKind, Success

log: Final = logging.getLogger("resilient_client")


@dataclass(slots=True, eq=False)
class CallInfo:
    """The call that events are about; the same object in all of them.

    `url` is redacted, `host` and `port` are those of the first request. `route` is the low-cardinality name, when there
    is one. `retries` counts the attempts that were scheduled after a failure. `trace` belongs to whoever traces.
    """

    client: str
    method: str
    url: str
    host: str
    port: int
    route: str | None
    retries: int = 0
    trace: Any = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class Exchange:
    """One request on the wire. `number` counts them within the call from 0.

    What a listener adds to `headers` when it is told of `ExchangeStarted` is sent with the request, in place of fields
    of the same name. `trace` belongs to whoever traces.
    """

    number: int
    method: str
    url: str
    host: str
    port: int
    headers: list[tuple[str, str]] = field(default_factory=list, repr=False)
    trace: Any = field(default=None, repr=False)


class CallStarted(NamedTuple):
    """A call began."""

    call: CallInfo


class ExchangeStarted(NamedTuple):
    """A request is about to be sent."""

    call: CallInfo
    exchange: Exchange


class ExchangeAnswered(NamedTuple):
    """The head of an answer has come. `peer` is the address it came from, when the wire knows."""

    call: CallInfo
    exchange: Exchange
    status: int
    http_version: str
    peer: tuple[str, int] | None


class ExchangeEnded(NamedTuple):
    """An exchange is over. `kind` is None when its answer was expected; both are None when the caller left.

    `elapsed` is in seconds, `reused` tells whether the connection had carried a request before.
    """

    call: CallInfo
    exchange: Exchange
    status: int | None
    kind: FailureKind | None
    elapsed: float
    reused: bool
    cancelled: bool


class AttemptEnded(NamedTuple):
    """An attempt was recorded, a streamed one when its body was over; its `wait` is not known yet."""

    call: CallInfo
    attempt: Attempt


class RetryScheduled(NamedTuple):
    """After `attempt` failed there will be another one, in `delay` seconds."""

    call: CallInfo
    attempt: Attempt
    delay: float


class PermitAwaited(NamedTuple):
    """A caller waited `seconds` for a permit of `bulkhead`, and got one or not."""

    call: CallInfo
    bulkhead: str
    seconds: float
    admitted: bool


class Rejected(NamedTuple):
    """A policy refused an attempt: `kind` is `circuit_open` or `bulkhead_full`, `by` the name of either."""

    call: CallInfo
    kind: FailureKind
    by: str
    message: str
    retry_after: float | None


class CircuitCounted(NamedTuple):
    """A circuit let an attempt through and was told how it ended, or rejected it."""

    call: CallInfo
    circuit: str
    outcome: Literal["success", "failure", "ignored", "rejected"]


class CallSucceeded(NamedTuple):
    """A call ended with a `Success`."""

    call: CallInfo
    result: Success[Any]


class CallGivenUp(NamedTuple):
    """A call ended with a `Failure`: nothing more is tried."""

    call: CallInfo
    result: Failure


class CallCancelled(NamedTuple):
    """The caller left before there was a result, `elapsed` seconds after the call began."""

    call: CallInfo
    elapsed: float


class CircuitChanged(NamedTuple):
    """A circuit of `client` went from one state to another: closed, open, half-open, isolated.

    `calls` and `failures` are those of the window when it changed; `open_for` the seconds until the first probe.
    """

    client: str
    circuit: str
    before: str
    after: str
    calls: int
    failures: int
    open_for: float | None


class ConfigReloaded(NamedTuple):
    """A policy file was read again and holds now. `clients` are those whose settings changed."""

    source: str
    clients: tuple[str, ...]


class ConfigReloadFailed(NamedTuple):
    """A policy file was read again and is wrong; what held before still holds."""

    source: str
    error: ConfigError


Event: TypeAlias = (
    CallStarted
    | ExchangeStarted
    | ExchangeAnswered
    | ExchangeEnded
    | AttemptEnded
    | RetryScheduled
    | PermitAwaited
    | Rejected
    | CircuitCounted
    | CallSucceeded
    | CallGivenUp
    | CallCancelled
    | CircuitChanged
    | ConfigReloaded
    | ConfigReloadFailed
)
"""Everything that is told."""

Listener: TypeAlias = Callable[[Any], object]
"""A function of one event; with an attribute `hears`, of events of those types only."""

Heard: TypeAlias = Mapping[type, tuple[Listener, ...]]
"""Who hears what; what is not in it is not built."""

EVENTS: Final[tuple[type, ...]] = Event.__args__
NOBODY: Final[Heard] = {}

RAISED: Final = "a listener raised on %s, which is not logged again: %r"

_broken: Final[weakref.WeakSet[Listener]] = weakref.WeakSet()


def _first_time(listener: Listener) -> bool:
    """Return whether `listener` raised for the first time; one that cannot be remembered raises for the first time."""
    try:
        if listener in _broken:
            return False
        _broken.add(listener)
    except TypeError:  # it has no hash, or no weak references
        pass
    return True


def audience(listeners: Iterable[Listener]) -> Heard:
    """Return who hears what."""
    heard: dict[type, tuple[Listener, ...]] = {}
    for listener in listeners:
        wanted: Collection[type] = getattr(listener, "hears", EVENTS)
        for kind in wanted:
            handler = wanted[kind] if isinstance(wanted, Mapping) else listener
            heard[kind] = (*heard.get(kind, ()), handler)
    return heard


def checked_listeners(listeners: Iterable[Listener]) -> tuple[Listener, ...]:
    """Return listeners as a tuple; raises `TypeError` for one that cannot be called."""
    if not isinstance(listeners, Iterable):
        raise TypeError(f"listeners={listeners!r}: give a list of functions")
    checked = tuple(listeners)
    for listener in checked:
        if not callable(listener):
            raise TypeError(f"listeners: {listener!r} is no function of an event")
    return checked


def tell(heard: Heard, event: Event) -> None:
    """Tell an event to everyone who hears it; one that raises is logged once and stops nobody."""
    tell_those(heard.get(type(event), ()), event)


def tell_those(listeners: Iterable[Listener], event: Event) -> None:
    """Tell an event to some of those who hear it."""
    for listener in listeners:
        guarded(listener, event, type(event).__name__)


def wanting(heard: Heard, event: type, client: str, why: FailureKind, sent: bool) -> list[Listener]:
    """Return who wants to be told an event about a call of `client` that failed for the reason `why`.

    A listener with a method `passes_over(client, why, sent)` is asked, `sent` being whether the server may have seen
    any of the call; one that would make nothing of the event returns True, and for nobody else it is not built. While a
    circuit is open there are many of them.
    """
    found: list[Listener] = []
    for listener in heard.get(event, ()):
        passes_over = getattr(listener, "passes_over", None)
        try:
            if passes_over is not None and passes_over(client, why, sent):
                continue
        except Exception:
            if _first_time(listener):
                log.exception(RAISED, event.__name__, listener)
        found.append(listener)
    return found


def guarded(listener: Listener, event: Any, what: str) -> None:
    """Call `listener`; when it raises, that is logged the first time and stops nobody."""
    try:
        listener(event)
    except Exception:
        if _first_time(listener):
            log.exception(RAISED, what, listener)
