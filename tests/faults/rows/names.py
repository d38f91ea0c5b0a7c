"""Rows: names that do not resolve, or to addresses that are of no use."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from faults.expected import fine, late, unsent
from faults.fault import LONGER, SHORT, Area, only, row
from faults.name_service import Found, at, fails, named
from faults.scenes import Scene

from resilient_client import FailureKind as K
from resilient_client import Timeouts
from resilient_client.testing import sockets

FAMILY_OF_NOBODY = 99


def empty(_: int) -> Found:
    return []


def dead(port: int) -> Found:
    """Three addresses of this machine where nobody listens."""
    return at(*((f"127.0.0.{number}", port) for number in (2, 3, 4)))


def unknown_family(port: int) -> Found:
    return [(FAMILY_OF_NOBODY, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]


@contextmanager
def hung(world: Any) -> Iterator[Scene]:
    """A resolver that says nothing until it is put right."""
    release = threading.Event()

    def answer(port: int) -> Found:
        release.wait(30)
        return at(("127.0.0.1", port))

    with named(answer)(world) as scene:
        scene.mend = release.set
        try:
            yield scene
        finally:
            release.set()


@contextmanager
def swallowed(world: Any, count: int, then: Found) -> Iterator[Scene]:
    """A name whose first `count` addresses take no connection and refuse none."""
    with ExitStack() as holes:
        places = [
            (hole.host, hole.port) for hole in (holes.enter_context(sockets.full_backlog()) for _ in range(count))
        ]
        with named(lambda _: [*at(*places), *then])(world) as scene:
            yield scene


def swallowed_all(world: Any) -> Any:
    return swallowed(world, 2, [])


def swallowed_first(world: Any) -> Any:
    return swallowed(world, 1, at(("127.0.0.1", world.server.port)))


AREA = Area(
    "Name resolution",
    (
        row("The name does not exist.", named(fails(socket.EAI_NONAME, "Name or service not known")), unsent(K.DNS)),
        row(
            "The name service does not know at the moment.",
            named(fails(socket.EAI_AGAIN, "Temporary failure in name resolution")),
            unsent(K.DNS),
        ),
        row("The name has no addresses.", named(empty), unsent(K.DNS)),
        row(
            "The name has no address of a family that is asked for.",
            named(fails(socket.EAI_FAMILY, "ai_family not supported")),
            unsent(K.DNS),
        ),
        row(
            "The only address is of a family that this machine does not have.", named(unknown_family), unsent(K.CONNECT)
        ),
        row(
            "The first address is of a family that this machine does not have, the second is good.",
            named(lambda port: [*unknown_family(port), *at(("127.0.0.1", port))]),
            fine(),
        ),
        row(
            "The resolver hangs: `connect`.", hung, unsent(K.CONNECT_TIMEOUT, waits=SHORT), timeouts=only(connect=SHORT)
        ),
        row(
            "The resolver hangs: `total`.",
            hung,
            late(circuit="failure", waits=LONGER, sent=False),
            timeouts=Timeouts(total=LONGER),
        ),
        row("All three addresses are dead.", named(dead), unsent(K.CONNECT)),
        row(
            "Two addresses are dead, the third is good.",
            named(lambda port: [*dead(port)[:2], *at(("127.0.0.1", port))]),
            fine(),
        ),
        row(
            "Two addresses swallow everything; together they have the time of `connect`.",
            swallowed_all,
            unsent(K.CONNECT_TIMEOUT, waits=SHORT),
            timeouts=only(connect=SHORT),
        ),
        row(
            "The first address swallows everything; the second gets its half of `connect`.",
            swallowed_first,
            fine(waits=LONGER),
            timeouts=only(connect=2 * LONGER),
            methods=("GET",),
        ),
    ),
)
