"""What `serve` answers and where: the good routes, one for each fault, and those of the user's own file."""

from __future__ import annotations

import runpy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from resilient_client.cli.usage import wrong
from resilient_client.testing import Script, steps
from resilient_client.testing.script import By, Route, Step

FUNCTION: Final = "add_routes"

STATUSES: Final = (
    *(200, 201, 204, 400, 401, 403, 404, 408, 409, 413, 418, 422, 425, 429),
    *(500, 501, 502, 503, 504),
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A route that is there from the start, and what it does in a few words."""

    path: str
    step: Step
    told: str


DEFAULTS: Final = (
    ("GET /", '{"status": "ok"}'),
    ("/text", "ok as text"),
    ("/echo", "the request as JSON"),
    ("POST /upload", "how much body came"),
)
"""Routes every paired server has."""

FAULTS: Final = (
    Offer("/fault/hang", steps.hang(), "takes the request and never answers"),
    Offer("/fault/reset", steps.reset(), "resets the connection"),
    Offer("/fault/close", steps.close(), "closes the connection without an answer"),
    Offer("/fault/drip-head", steps.drip_head(10), "a head that takes 10 s, a few bytes at a time"),
    Offer("/fault/drip-body", steps.drip_body(10), "a body that takes 10 s, a byte at a time"),
    Offer("/fault/endless-body", steps.endless_body(every=0.01), "a body without an end"),
    Offer("/fault/short-body", steps.short_body(), "promises 100 bytes, sends 9 and closes"),
    Offer("/fault/bad-chunk", steps.bad_chunk(), "a chunk whose size is no number"),
    Offer("/fault/garbage", steps.garbage(), "bytes that are no HTTP"),
    Offer("/fault/huge-headers", steps.huge_headers(), "a header field of 200,000 bytes"),
    Offer("/fault/two-lengths", steps.contradicting_lengths(), "two Content-Length fields that differ"),
    Offer("/fault/gzip-bomb", steps.gzip_bomb(200 * 1024 * 1024), "200 MiB of zeros as 200 KB of gzip"),
    Offer("/fault/cut-gzip", steps.cut_gzip(), "half a gzip stream, framed as if it were whole"),
    Offer("/fault/wrong-encoding", steps.wrong_encoding(), "says gzip, sends plain text"),
    Offer(
        "/fault/cut-file", steps.file(b"tea\n" * 250_000, cut_after=400_000), "1 MB, cut off after 400 KB; has ranges"
    ),
    Offer("/flaky", steps.chance(0.3, steps.status(500), steps.ok(), seed=1), "500 in 30 % of the answers, else ok"),
    Offer("/slow/1", steps.ok(after=1), "ok, one second later"),
    Offer("/redirect", steps.redirect("/"), "302 to /"),
    Offer("/redirect/loop", steps.redirect("/redirect/loop"), "302 to itself"),
    *(Offer(f"/retry-after/{n}", steps.retry_after(503, n), f"503 with Retry-After: {n}") for n in (1, 2, 5, 60)),
)


class ListedScript(Script):
    """A script that knows which routes it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: list[str] = []

    def on(self, route: str, *given: Step, then: Step | None = None, by: By = "request") -> Route:
        """Script `route` and remember it."""
        added = super().on(route, *given, then=then, by=by)
        self.routes.append(route)
        return added


def new_script(file: Path | None) -> ListedScript:
    """Return the script of a server to play with: the routes of `file`, and everything above behind them."""
    script = ListedScript()
    for offer in FAULTS:
        script.fall_back(offer.path, offer.step)
    for status in STATUSES:
        script.fall_back(f"/status/{status}", steps.status(status))
    if file is not None:
        _run(file, script)
    return script


def _run(file: Path, script: ListedScript) -> None:
    """Let the user's file add its routes; whatever it raises is a usage error that says where."""
    if not file.is_file():
        raise wrong("--script", f"there is no file {file}")
    try:
        add_routes = runpy.run_path(str(file)).get(FUNCTION)
        if callable(add_routes):
            add_routes(script)
    except Exception as problem:
        raise wrong("--script", f"{file} raised {type(problem).__name__}: {problem}{_line(problem, file)}") from problem
    if not callable(add_routes):
        raise wrong("--script", f"{file} has no function {FUNCTION}(script) that calls script.on(route, ...)")


def _line(problem: Exception, file: Path) -> str:
    """Return where in `file` it was raised."""
    trace, line = problem.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line is not None else ""


def listing(script: ListedScript) -> Iterable[str]:
    """Yield a line for each route, the user's first."""
    yield from (f"  {route:<22} as your script says" for route in script.routes)
    yield from (f"  {route:<22} {told}" for route, told in DEFAULTS)
    yield from (f"  {offer.path:<22} {offer.told}" for offer in FAULTS)
    yield f"  {'/status/503':<22} and every other of {', '.join(map(str, STATUSES))}"
