"""Rows: the caller leaves, by cancelling its task or with Ctrl-C, whatever the call is waiting for."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from faults.expected import raises
from faults.fault import Area, Fault, row
from faults.interrupts import Moment, cancelled, signalled
from faults.left_behind import connections
from faults.name_service import Found, at, named
from faults.occupied import permit_taken
from faults.peers import met_by
from faults.rows.uploads import large
from faults.scenes import Scene

from resilient_client import Bulkhead, Retry
from resilient_client.testing import sockets, steps
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.script import Data, Head, Pause

Setting = Callable[[Any], Any]
"""Makes a scene, and the moment at which a call waits there for what it is about."""


@contextmanager
def resolving(world: Any) -> Iterator[tuple[Scene, Moment]]:
    asked, release = threading.Event(), threading.Event()

    def answer(port: int) -> Found:
        asked.set()
        release.wait(30)
        return at(("127.0.0.1", port))

    with named(answer, mend=release.set)(world) as scene:
        try:
            yield scene, lambda _: asked.is_set()
        finally:
            release.set()


@contextmanager
def connecting(world: Any) -> Iterator[tuple[Scene, Moment]]:
    with sockets.full_backlog() as hole:
        before = len(connections())
        yield Scene(f"{hole.url}/fault", f"{world.url}/text"), lambda _: len(connections()) > before


def told(**scene: Any) -> Setting:
    """A peer that reads one byte, which is the moment, and then only notices that the client leaves."""

    @contextmanager
    def setting(world: Any) -> Iterator[tuple[Scene, Moment]]:
        moment = threading.Event()

        def serve(connection: socket.socket) -> None:
            connection.recv(1)
            moment.set()
            left = select.poll()
            left.register(connection, select.POLLRDHUP)
            left.poll(30_000)

        with met_by(serve, **scene)(world) as playing:
            yield playing, lambda _: moment.is_set()

    return setting


def played(step: Any, moment: Callable[[Any], object]) -> Setting:
    """A script, and what its journal, or the client's state, says at the moment."""

    @contextmanager
    def setting(world: Any) -> Iterator[tuple[Scene, Moment]]:
        world.on("/fault", step)
        yield Scene(f"{world.url}/fault", f"{world.url}/text"), moment

    return setting


@contextmanager
def queueing(world: Any) -> Iterator[tuple[Scene, Moment]]:
    with permit_taken(world) as scene:
        yield scene, lambda caller: caller.state().queued


def answered(caller: Any) -> bool:
    return any(seen.status for seen in caller.world.journal.requests)


@dataclass(frozen=True)
class Phase:
    """Something that a call waits for."""

    name: str
    setting: Setting
    circuit: str = "ignored"
    more: dict[str, Any] = field(default_factory=dict)

    def fault(self, what: str, interrupt: Callable[[Moment], Any], raised: str, **more: Any) -> Fault:
        """The row of leaving in this phase."""

        @contextmanager
        def scene(world: Any) -> Iterator[Scene]:
            with self.setting(world) as (playing, moment):
                playing.act = interrupt(moment)
                yield playing

        methods = ("PUT",) if "call" in self.more else ("GET",)
        return row(
            f"{what} {self.name}.", scene, raises(raised, circuit=self.circuit), methods=methods, **self.more, **more
        )


HALF = steps.status(200)
PHASES = (
    Phase("waiting for a permit", queueing, "", {"policy": {"bulkhead": Bulkhead(max_concurrent=1)}}),
    Phase("resolving the name", resolving),
    Phase("connecting", connecting),
    Phase("in the TLS handshake", told(scheme="https", options={"verify": CERTIFICATES.client_context()})),
    Phase("sending the body", told(), more={"call": large}),
    Phase("waiting for the answer", played(steps.hang(), lambda caller: caller.world.journal.requests)),
    Phase(
        "reading the body",
        played(lambda _: (Head(200, (("Content-Length", "9"),)), Data(b"half"), Pause(30)), answered),
    ),
    Phase(
        "in the pause before another attempt",
        played(steps.status(503), lambda caller: answered(caller) and not caller.state().permits_in_use),
        "failure",
        {"policy": {"retry": Retry(wait_initial=30, wait_max=30, jitter="none")}},
    ),
)

AREA = Area(
    "Callers that leave",
    (
        *(phase.fault("The task is cancelled,", cancelled, "CancelledError", facade="asyncio") for phase in PHASES),
        *(
            phase.fault("Ctrl-C,", signalled, "KeyboardInterrupt", facade="blocking", own_process=True)
            for phase in PHASES
        ),
    ),
    "The call gives no result; what it held comes back at once.",
)
