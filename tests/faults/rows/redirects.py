"""Rows: redirects, with up to three followed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faults.expected import final, fine, seen
from faults.fault import Area, Fault, row
from faults.scenes import Plays, Scene

from resilient_client import FailureKind as K
from resilient_client.testing import FaultServer, sockets, steps
from resilient_client.testing.script import Received

THREE = {"redirects": 3}
SECRETS = {"Authorization": "Bearer secret", "Cookie": "secret=1", "X-Api-Key": "secret"}


def on_and_on(request: Received) -> Any:
    return steps.redirect(f"/fault?hop={request.number}")(request)


def refused(what: str, location: str, attempts: int = 2) -> Fault:
    """A row of a redirect that is not followed: its answer is an attempt, and so is the refusal."""
    expected = final(K.REDIRECT, decisions={"GET": (attempts, "not_retryable")})
    return row(what, Plays(steps.redirect(location)), expected, policy=THREE, methods=("GET",))


@contextmanager
def to_another_origin(world: Any) -> Iterator[Scene]:
    """A redirect to another server, which must not see what was meant for the first."""
    with FaultServer() as other:
        other.on("/elsewhere", steps.text())
        world.on("/fault", steps.redirect(f"{other.url}/elsewhere"))

        def check(_: Any) -> None:
            (arrived,) = (seen for seen in other.journal.requests if seen.path == "/elsewhere")
            assert "secret" not in str(arrived.headers.pairs)

        options = {"headers": SECRETS, "allow_other_origins": True}
        yield Scene(f"{world.url}/fault", f"{world.url}/text", options, check=check, keeps=2)


@contextmanager
def to_nobody(world: Any) -> Iterator[Scene]:
    with sockets.refused_port() as nobody:
        world.on("/fault", steps.redirect(nobody.url, 303))
        yield Scene(f"{world.url}/fault", f"{world.url}/text", {"allow_other_origins": True})


@contextmanager
def from_https(_: Any) -> Iterator[Scene]:
    with FaultServer(tls="valid") as secure:
        secure.on("/fault", steps.redirect("http://localhost:1/"))
        options = {"verify": secure.client_context(), "allow_other_origins": True}
        yield Scene(f"{secure.url}/fault", f"{secure.url}/text", options)


AREA = Area(
    "Redirects",
    (
        row("Redirects are off: the answer is the redirect.", Plays(steps.redirect("/text")), fine(302)),
        row("A redirect without a Location.", Plays(steps.status(302)), fine(302), policy=THREE),
        refused("A loop.", "/fault"),
        row(
            "More than are allowed.",
            Plays(on_and_on),
            final(K.REDIRECT, decisions={"GET": (4, "not_retryable")}),
            policy=THREE,
            methods=("GET",),
        ),
        refused("A Location that is no URL.", "http://[::1"),
        refused("A Location with a port that is none.", "http://far.side:99999/"),
        refused("A Location of another scheme.", "ftp://far.side/file"),
        refused("A Location with user and password.", "http://user:password@far.side/"),
        row(
            "From https to http.",
            from_https,
            final(K.REDIRECT, decisions={"GET": (2, "not_retryable")}),
            policy=THREE,
            methods=("GET",),
        ),
        row(
            "To another origin: it does not see credentials, cookies and API keys.",
            to_another_origin,
            fine(attempts=2),
            policy=THREE,
        ),
        row(
            "The next server is down; the first one has seen the request.",
            to_nobody,
            seen(K.CONNECT, decisions={"GET": (4, "max_attempts"), "POST": (2, "not_idempotent")}),
            policy=THREE,
        ),
        row(
            "307 to a body from an iterator, which cannot be sent again.",
            Plays(steps.redirect("/text", 307)),
            final(K.REDIRECT, decisions=dict.fromkeys(("PUT", "POST"), (2, "not_retryable"))),
            policy=THREE,
            call=lambda: {"content": iter([b"once"])},
            methods=("PUT", "POST"),
        ),
    ),
)
