"""Rows: connections that were good when they were last used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from faults.expected import fine, seen
from faults.fault import LONGER, Area, only, row
from faults.left_behind import connections, eventually
from faults.scenes import Plays

from resilient_client import FailureKind as K
from resilient_client.testing import steps
from resilient_client.testing.script import Raw, Received

TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def once_good(then: Callable[[Any], object]) -> Callable[[Any], None]:
    """Use the connection once, and wait until what the server does to it then has come."""

    def before(caller: Any) -> None:
        known = {one.inode for one in connections()}
        caller.get(f"{caller.world.url}/before").unwrap()
        then(caller)
        eventually(
            lambda: [one for one in connections() if one.inode not in known],
            lambda ours: not ours or ours[0].news,
        )

    return before


def restart(caller: Any) -> None:
    caller.world.down()
    caller.world.up()


def left(then: Callable[[Any], object], before: Any = None) -> Plays:
    """A far side that does something to a connection that nobody uses."""
    return Plays(steps.text(), in_memory=False, before=once_good(then), routes={"/before": before or steps.text()})


def and_more(request: Received) -> Any:
    yield from steps.text()(request)
    yield Raw(TOO_LATE)


def silent_when_reused(request: Received) -> Any:
    return (steps.hang() if request.connection == 1 else steps.text())(request)


RESENT = {"attempts": 2}

AREA = Area(
    "Reuse of connections",
    (
        row("The server closed an idle connection.", left(lambda caller: caller.world.close_idle()), fine()),
        row("The server was restarted in the meantime.", left(restart), fine()),
        row("The server said something on an idle connection (408).", left(lambda _: None, and_more), fine()),
        row(
            "The server closes the connection just as the request goes out: once more over a new one, free of charge.",
            Plays(steps.close(), then=steps.text(), warm=True),
            fine(**RESENT),
            methods=("GET",),
        ),
        row(
            "The same to a POST: the server may have acted on it.",
            Plays(steps.close(), then=steps.text(), warm=True),
            seen(K.RESET),
            methods=("POST",),
        ),
        row(
            "The same to a POST with an idempotency key.",
            Plays(steps.close(), then=steps.text(), warm=True),
            fine(**RESENT),
            methods=("POST",),
            call=lambda: {"idempotency_key": True},
        ),
        row(
            "The server resets the connection just as the request goes out.",
            Plays(steps.reset(), then=steps.text(), warm=True),
            fine(**RESENT),
            methods=("GET",),
        ),
        row(
            "The connection just used is closed, and so is every new one.",
            Plays(steps.close(), warm=True),
            seen(K.RESET, decisions={"GET": (3, "max_attempts"), "POST": (1, "not_idempotent")}),
        ),
        row(
            "The idle connection is dead and nobody said so (a NAT forgot it): `read`, then a new one.",
            Plays(silent_when_reused, warm=True),
            fine(attempts=2, circuit="failure, success", waits=LONGER / 2),
            timeouts=only(read=LONGER),
            methods=("GET",),
        ),
    ),
)
