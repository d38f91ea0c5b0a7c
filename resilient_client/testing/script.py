"""What the far side does, as data: a script of steps per route, a step being a list of moves.

One script drives the paired server over real sockets and the virtual wire in memory, so a scenario is written
once. A *step* takes the request it answers and yields *moves*: pause, head, data, raw bytes, and how it ends.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from resilient_client.headers import Headers


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for `seconds`; `inf` is until the client gives up, 0 only lets the server see to other connections."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Head:
    """Send a status line and header fields. Framing is added to fit unless `headers` names one."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Data:
    """Send a piece of the body, framed as the head said."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Raw:
    """Send bytes as they are, whatever HTTP says about them."""

    content: bytes


@dataclass(frozen=True, slots=True)
class End:
    """End the answer as HTTP does; the connection stays open."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in order (FIN), wherever the answer stands.

    With `notify` False a TLS connection closes without its close_notify, as a connection cut on its way does.
    """

    notify: bool = True


@dataclass(frozen=True, slots=True)
class Reset:
    """Close the connection with a reset (SO_LINGER 0); on HTTP/2 reset the stream with `code`."""

    code: int = 0x2


@dataclass(frozen=True, slots=True)
class GoAway:
    """HTTP/2: say GOAWAY and finish nothing after `last_stream`; on HTTP/1.1 the same as `Close`."""

    last_stream: int = 0


@dataclass(slots=True)
class Hear:
    """After a change of protocols (101): wait for what the client says, at most `seconds`.

    It is filled in: `data` is what came, empty when nothing did; `left` is what is left of the seconds.
    """

    seconds: float
    data: bytes = b""
    left: float = 0.0


Move: TypeAlias = Pause | Head | Data | Raw | End | Close | Reset | GoAway | Hear


@dataclass(frozen=True, slots=True)
class Received:
    """A request as the far side saw it. `number` counts the route's requests from 1.

    `size` is how many bytes of body came, also where a far side keeps only the start of a long one in `body`; `chunks`
    is in how many pieces the client framed it: chunks on HTTP/1.1, DATA frames on HTTP/2, 1 for a body with a length.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    number: int = 1
    connection: int = 1
    size: int = 0
    chunks: int = 0

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


Step: TypeAlias = Callable[[Received], Iterable[Move]]


@dataclass(frozen=True, slots=True)
class Early:
    """A step that begins when `after` bytes of the request's body are here, and reads on when it has ended."""

    step: Step
    after: int

    def __call__(self, request: Received) -> Iterable[Move]:
        """Play the step."""
        return self.step(request)


By: TypeAlias = Literal["request", "connection"]


@dataclass(slots=True)
class Route:
    """The steps of one route, then its steady state. `by="connection"`: the n-th connection gets the n-th step."""

    steps: tuple[Step, ...]
    then: Step
    by: By = "request"
    requests: int = 0
    connections: dict[int, int] = field(default_factory=dict)

    def choose(self, connection: int) -> Step:
        """Count one request and return the step that answers it."""
        self.requests += 1
        turn = self.requests
        if self.by == "connection":
            turn = self.connections.setdefault(connection, len(self.connections) + 1)
        return self.steps[turn - 1] if turn <= len(self.steps) else self.then


@dataclass(frozen=True, slots=True)
class Chance:
    """A step taken with a probability, from a generator of its own so that runs repeat."""

    probability: float
    step: Step
    otherwise: Step
    generator: random.Random

    def __call__(self, request: Received) -> Iterable[Move]:
        """Play one of the two."""
        chosen = self.step if self.generator.random() < self.probability else self.otherwise
        return chosen(request)


METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"))


class Script:
    """Routes and what happens on them; safe to change while a server runs it.

    `script.on("POST /charges", status(503), then=ok())`: the first request gets a 503, every later one the steady
    state. A route is `"PATH"` for any method or `"METHOD PATH"`. A request that no route takes is answered with 404
    and remembered in `unexpected`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._routes: dict[str, Route] = {}
        self._fallbacks: dict[str, Route] = {}
        self.unexpected: list[str] = []

    def on(self, route: str, *steps: Step, then: Step | None = None, by: By = "request") -> Route:
        """Script `route`: `steps` in order, then `then` for ever (the last step when not given)."""
        if not steps and then is None:
            raise ValueError(f"on({route!r}): give at least one step, or then= for the steady state")
        method, _, path = route.rpartition(" ")
        if not path.startswith("/") or (method and method not in METHODS):
            raise ValueError(f"on({route!r}): a route is '/path' or 'METHOD /path', METHOD in upper case")
        added = Route(steps, then if then is not None else steps[-1], by)
        with self._lock:
            self._routes[route] = added
        return added

    def fall_back(self, route: str, step: Step) -> None:
        """Answer `route` with `step` for ever wherever `on` says nothing about it, however general."""
        with self._lock:
            self._fallbacks[route] = Route((), step)

    def choose(self, method: str, path: str, connection: int) -> tuple[Step | None, int]:
        """Return the step for a request and which of its route's requests it is; (None, 0) when unexpected."""
        exact = f"{method} {path}"
        with self._lock:
            route = self._routes.get(exact) or self._routes.get(path)
            route = route or self._fallbacks.get(exact) or self._fallbacks.get(path)
            if route is None:
                self.unexpected.append(f"{method} {path}")
                return None, 0
            return route.choose(connection), route.requests
