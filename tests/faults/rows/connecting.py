"""Rows: no connection comes about."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from faults.expected import fine, late, local, seen, unsent
from faults.fault import LONGER, SHORT, Area, only, row
from faults.peers import met_by
from faults.scenes import Plays, Scene, in_memory
from faults.this_machine import connecting_fails, inside, no_descriptors, no_ports

from resilient_client import FailureKind as K
from resilient_client import Timeouts
from resilient_client.testing import FaultServer, sockets, steps

NOWHERE = "127.255.255.255"


@in_memory
@contextmanager
def refused(world: Any) -> Iterator[Scene]:
    world.down()
    yield Scene(f"{world.url}/fault", f"{world.url}/text", mend=world.up)


@contextmanager
def swallowed(world: Any) -> Iterator[Scene]:
    with sockets.full_backlog() as hole:
        yield Scene(f"{hole.url}/fault", f"{world.url}/text")


@contextmanager
def unreachable(world: Any) -> Iterator[Scene]:
    yield Scene(f"http://{NOWHERE}/fault", f"{world.url}/text")


@contextmanager
def no_such_socket(world: Any) -> Iterator[Scene]:
    """A unix socket that is not there yet."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as later:
        path = str(Path(directory, "socket"))
        served = FaultServer(uds=path)
        options = {"uds": path}
        yield Scene("http://localhost/", "http://localhost/text", options, mend=lambda: later.enter_context(served))


AREA = Area(
    "Connecting",
    (
        row("The port refuses.", refused, unsent(K.CONNECT)),
        row("There is no such unix socket.", no_such_socket, unsent(K.CONNECT)),
        row("The network is unreachable.", unreachable, unsent(K.CONNECT)),
        row(
            "The other side resets while connecting.",
            Plays(steps.text(), in_memory=False, act=inside(connecting_fails(errno.ECONNRESET))),
            unsent(K.CONNECT),
        ),
        row(
            "Everything is swallowed (a full backlog): `connect`.",
            swallowed,
            unsent(K.CONNECT_TIMEOUT, waits=SHORT),
            timeouts=only(connect=SHORT),
        ),
        row(
            "Everything is swallowed: `attempt`.",
            swallowed,
            unsent(K.ATTEMPT_TIMEOUT, waits=SHORT),
            timeouts=only(attempt=SHORT),
        ),
        row(
            "Everything is swallowed: `total`.",
            swallowed,
            late(circuit="failure", waits=LONGER, sent=False),
            timeouts=Timeouts(total=LONGER),
        ),
        row(
            "It takes the connection and hangs up at once; the request may have gone out.",
            met_by(lambda _: None),
            seen(K.RESET, sent=None),
            methods=("GET",),
        ),
        row("No local port is free.", Plays(steps.text(), in_memory=False, act=inside(no_ports)), local(sent=False)),
        row(
            "No descriptor is free.",
            Plays(steps.text(), in_memory=False, act=inside(no_descriptors)),
            local(sent=False),
        ),
        row(
            "No descriptor is free, and a connection is open already.",
            Plays(steps.text(), in_memory=False, warm=True, act=inside(no_descriptors)),
            fine(),
        ),
    ),
)
