"""Rows: what the process of the caller does to its calls."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from typing import Any

from faults.expected import fine, local, raises, seen
from faults.fault import LONGER, SHORT, Area, only, row
from faults.forks import forking
from faults.name_service import at, named
from faults.scenes import Plays, call, text_is
from faults.this_machine import clock_set_back, inside, little_memory, no_threads

from resilient_client import FailureKind as K
from resilient_client.testing import steps


def after_another_loop(caller: Any, method: str, url: str, **options: Any) -> Any:
    """Use the client in an event loop that is closed with a connection open, and then call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of asyncio, for the connection that the loop left open
        asyncio.run(caller.client.get(f"{caller.world.url}/text")).unwrap()
        result = call(caller, method, url, **options)
        gc.collect()
    return result


def loop_blocked(seconds: float) -> Any:
    """Block the event loop while the answer comes."""

    def act(caller: Any, method: str, url: str, **options: Any) -> Any:
        async def scene() -> Any:
            task = asyncio.create_task(caller.client.request(method, url, **options))
            while not caller.world.journal.requests:
                await asyncio.sleep(0)
            time.sleep(seconds)
            return await task

        return caller.world.finish(scene())

    return act


def after_close(caller: Any, method: str, url: str, **options: Any) -> Any:
    """Call with a second client that was closed."""
    other = caller.world.client(base_url=None)
    caller.world.finish(other.client.close())
    return other.request(method, url, **options)


def listens_badly(_: Any) -> None:
    raise RuntimeError("a listener that fails")


def authenticates_badly(_: Any) -> None:
    raise RuntimeError("no token today")


AREA = Area(
    "The caller's process",
    (
        row(
            "No thread can be started to resolve a name.",
            named(lambda port: at(("127.0.0.1", port)), act=inside(no_threads)),
            local(sent=False),
        ),
        row(
            "No memory for the body.",
            Plays(steps.endless_body(), in_memory=False, act=inside(little_memory)),
            local(status=200),
            policy={"max_body": 10**10},
            methods=("GET",),
            own_process=True,
        ),
        row(
            "The process forks in the middle of a call; the child calls as well.",
            Plays(steps.text(after=LONGER), in_memory=False, act=forking),
            fine(waits=LONGER),
            own_process=True,
        ),
        row(
            "The wall clock is set back, again and again.",
            Plays(
                steps.status(503, headers=[("Retry-After-Ms", "50")]),
                then=steps.text(),
                in_memory=False,
                act=inside(clock_set_back),
            ),
            fine(attempts=2, circuit="failure, success", pause=0.05),
            methods=("GET",),
        ),
        row(
            "The event loop of earlier calls was closed with a connection open.",
            Plays(steps.text(), in_memory=False, act=after_another_loop),
            fine(),
            facade="asyncio",
        ),
        row(
            "The event loop is blocked for longer than `read`, while the answer comes.",
            Plays(steps.text(), in_memory=False, act=loop_blocked(LONGER + SHORT), check=text_is("ok")),
            fine(waits=LONGER + SHORT),
            timeouts=only(read=LONGER),
            facade="asyncio",
        ),
        row(
            "The event loop is blocked for longer than `attempt`.",
            Plays(steps.text(), in_memory=False, act=loop_blocked(LONGER + SHORT)),
            seen(K.ATTEMPT_TIMEOUT, decisions={"POST": (1, "not_idempotent")}, waits=LONGER),
            timeouts=only(attempt=LONGER),
            methods=("POST",),
            facade="asyncio",
        ),
        row("A listener raises.", Plays(steps.text(), options={"listeners": [listens_badly]}), fine()),
        row("`auth` raises.", Plays(steps.text()), local(sent=False), call=lambda: {"auth": authenticates_badly}),
        row(
            "The client was closed.",
            Plays(steps.text(), in_memory=False, act=after_close),
            raises("ClientClosed", circuit=""),
        ),
    ),
)
