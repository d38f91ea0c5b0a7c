"""What the caller of a row meets: a far side, how to reach it, and how to put it right again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from resilient_client import AsyncClient, deadline
from resilient_client.testing import FaultServer


def nothing(*_: Any) -> None:
    """Do nothing."""


def call(caller: Any, method: str, url: str, **options: Any) -> Any:
    """Make one call and return its result."""
    return caller.request(method, url, **options)


def stream(caller: Any, method: str, url: str, *, upto: int | None = None, **options: Any) -> Any:
    """Read a stream to its end, or `upto` so many pieces; return the failure that ended it, or its head."""
    streamed = caller.stream(url, method=method, upto=upto, **options)
    return streamed.result if streamed.failure is None else streamed.failure


def under(seconds: float) -> Callable[..., Any]:
    """Make the call inside `with deadline(seconds):`."""

    def act(caller: Any, method: str, url: str, **options: Any) -> Any:
        async def inside() -> Any:
            with deadline(seconds):
                return await caller.client.request(method, url, **options)

        if isinstance(caller.client, AsyncClient):
            return caller.world.finish(inside())
        with deadline(seconds):
            return call(caller, method, url, **options)

    return act


def text_is(text: str) -> Callable[[Any], None]:
    """Check that the answer has this text."""

    def check(result: Any) -> None:
        assert result.text == text, result.content

    return check


@dataclass
class Scene:
    """One far side.

    `url` is where the row calls, `good` where a call must go well once `mend()` was called. `options` are those of the
    client. `before` is done with the client first, `act` is how it is called, `check` is done with the result. At most
    `keeps` connections may be open at the end: one per origin that was called.
    """

    url: str
    good: str
    options: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Any], object] = nothing
    act: Callable[..., Any] = call
    mend: Callable[[], object] = nothing
    check: Callable[[Any], object] = nothing
    keeps: int = 1


class Plays:
    """A scene that is a script: the same in memory and on the wire.

    `then` is what later requests get (the last step, when not given). With `warm` the connection was used before.
    `in_memory` is false for what has no counterpart there, `on_the_wire` for what would depend on milliseconds.
    """

    def __init__(
        self,
        *steps: Any,
        then: Any = None,
        warm: bool = False,
        in_memory: bool = True,
        on_the_wire: bool = True,
        routes: Mapping[str, Any] | None = None,
        **scene: Any,
    ) -> None:
        self.steps = steps
        self.then = then
        self.warm = warm
        self.in_memory = in_memory
        self.on_the_wire = on_the_wire
        self.routes = routes or {}
        self.scene = scene

    def __call__(self, world: Any) -> Any:
        return self.on(world)

    @contextmanager
    def on(self, world: Any) -> Iterator[Scene]:
        """Play it on `world`, or on any server that has `on` and `url`."""
        world.on("/fault", *self.steps, then=self.then)
        for path, step in self.routes.items():
            world.on(path, step)
        good = f"{world.url}/text"
        scene = Scene(f"{world.url}/fault", good, **{**self.scene, "options": dict(self.scene.get("options", {}))})
        if self.warm:
            scene.before = lambda caller: caller.get(good).unwrap()
        yield scene


def in_memory(scene: Any) -> Any:
    """Mark a scene that a world in memory can play, too."""
    scene.in_memory = True
    return scene


def on_server(plays: Plays, **server: Any) -> Any:
    """The scene of a script on a server of its own; its clients trust it when it speaks TLS."""

    @contextmanager
    def scene(_: Any) -> Iterator[Scene]:
        with FaultServer(**server) as there, plays.on(there) as playing:
            if there.url.startswith("https"):
                playing.options.setdefault("verify", there.client_context())
            yield playing

    return scene
