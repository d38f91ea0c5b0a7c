"""Rows: the request itself does not get through, or is not what it says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from faults.expected import answer, local, seen
from faults.fault import LONGER, SHORT, Area, only, row
from faults.peers import head_of, met_by, read_on, reset
from faults.scenes import Scene

from resilient_client import FailureKind as K
from resilient_client.testing import sockets

UPLOADS = ("PUT", "POST")

TOO_MUCH = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def large() -> dict[str, Any]:
    """More than all buffers on the way hold."""
    return {"content": bytes(16_000_000)}


@contextmanager
def takes_nothing(world: Any) -> Iterator[Scene]:
    with sockets.never_reads() as deaf:
        yield Scene(f"{deaf.url}/fault", f"{world.url}/text")


def reset_in_upload(connection: socket.socket) -> None:
    head_of(connection)
    reset(connection)


def early_answer_reading_on(connection: socket.socket) -> None:
    head_of(connection)
    connection.sendall(TOO_MUCH)
    read_on(connection)


def early_answer_and_gone(connection: socket.socket) -> None:
    head_of(connection)
    connection.sendall(TOO_MUCH)


def raising(*before: bytes) -> Any:
    """A body that yields these pieces and raises."""

    def pieces() -> Iterator[bytes]:
        yield from before
        raise OSError("the disk is gone")

    return lambda: {"content": pieces()}


def claiming(length: int, *pieces: bytes) -> Any:
    """A body whose Content-Length is this, whatever it is."""
    return lambda: {"content": iter(pieces), "headers": {"Content-Length": str(length)}}


async def stalling() -> AsyncIterator[bytes]:
    yield b"a"
    await asyncio.sleep(60)


listening = met_by(read_on)
"""A server that reads everything and says nothing."""

AREA = Area(
    "Sending the request",
    (
        row(
            "The server takes nothing: `write`.",
            takes_nothing,
            seen(K.WRITE_TIMEOUT, waits=SHORT),
            timeouts=only(write=SHORT),
            call=large,
            methods=UPLOADS,
        ),
        row(
            "The server resets in the middle of the upload.",
            met_by(reset_in_upload),
            seen(K.RESET),
            call=large,
            methods=UPLOADS,
        ),
        row(
            "The server answers 413 early and reads on.",
            met_by(early_answer_reading_on),
            answer(413),
            call=large,
            methods=UPLOADS,
        ),
        row(
            "The server answers 413 early and hangs up.",
            met_by(early_answer_and_gone),
            answer(413),
            call=large,
            methods=UPLOADS,
        ),
        row("The body raises before its first piece.", listening, local(sent=False), call=raising(), methods=UPLOADS),
        row("The body raises after its first piece.", listening, local(), call=raising(b"piece"), methods=UPLOADS),
        row(
            "The body yields what is no bytes.",
            listening,
            local(sent=False),
            call=lambda: {"content": iter(["text"])},
            methods=UPLOADS,
        ),
        row(
            "The body is shorter than its Content-Length.",
            listening,
            local(),
            call=claiming(10, b"short"),
            methods=UPLOADS,
        ),
        row(
            "The body is longer than its Content-Length.",
            listening,
            local(),
            call=claiming(3, b"abc", b"de"),
            methods=UPLOADS,
        ),
        row(
            "A piece of the body does not come: `attempt`.",
            listening,
            seen(K.ATTEMPT_TIMEOUT, waits=LONGER, decisions={"PUT": (1, "body_not_replayable")}),
            timeouts=only(attempt=LONGER),
            call=lambda: {"content": stalling()},
            methods=UPLOADS,
            facade="asyncio",
        ),
    ),
)
