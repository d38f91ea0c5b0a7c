"""The command `serve`: the paired server in the foreground, to play with from curl or from a client of any kind."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from resilient_client.cli.routes import ListedScript, listing, new_script
from resilient_client.cli.stopping import Stop, stopping
from resilient_client.cli.usage import why, wrong
from resilient_client.redact import redact_url
from resilient_client.testing import FaultServer, Seen

TICK: Final = 0.1
"""Seconds between two looks at the journal."""

SETTLED: Final = 0.5
"""A request that has no status after this many seconds is told as it is: it hangs, or its answer is no HTTP."""

SHOWN: Final = 40
"""Lines of the summary."""


class Certificate(StrEnum):
    """Which certificate to show."""

    VALID = "valid"
    SELF_SIGNED = "self-signed"
    EXPIRED = "expired"
    WRONG_HOST = "wrong-host"


def serve(
    *,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 0,
    tls: Annotated[Certificate | None, typer.Option("--tls", help="Speak TLS, with this certificate.")] = None,
    http2: Annotated[bool, typer.Option("--http2", help="Offer HTTP/2 too; implies --tls valid.")] = False,
    script: Annotated[
        Path | None,
        typer.Option("--script", metavar="FILE.py", help="Has a function add_routes(script) that calls script.on()."),
    ] = None,
) -> None:
    """Run the paired server until Ctrl-C. It is for tests and listens on loopback only."""
    routes = new_script(script)
    server = _new_server(port, tls, routes, http2=http2)
    with stopping() as stop:
        _start(server, port)
        try:
            _announce(server, routes, tls, http2=http2)
            _watch(server, stop)
        finally:
            server.stop()
        for line in summary(server):
            sys.stdout.write(f"{line}\n")


def _new_server(port: int, tls: Certificate | None, routes: ListedScript, *, http2: bool) -> FaultServer:
    try:
        return FaultServer(tls=tls.value if tls else None, http2=http2, port=port, script=routes, strict=False)
    except ImportError as missing:
        raise wrong("--http2" if http2 else "--tls", str(missing)) from None


def _start(server: FaultServer, port: int) -> None:
    try:
        server.start()
    except OSError as problem:
        raise wrong("--port", f"cannot listen on port {port}: {why(problem)}") from None


def _announce(server: FaultServer, routes: ListedScript, tls: Certificate | None, *, http2: bool) -> None:
    lines = [f"listening on {server.url} (loopback only, for tests); Ctrl-C ends it", *listing(routes)]
    if http2 or tls is Certificate.VALID:
        lines.append(f"  trust it with: curl --cacert {server.authority_file()} {server.url}/")
    sys.stdout.write("\n".join(lines) + "\n")


def _watch(server: FaultServer, stop: Stop) -> None:
    """Print a line for each request, and for each problem on the server's side, until a signal comes."""
    waiting: list[Seen] = []
    read = problems = 0
    while not stop.requested:
        time.sleep(TICK)
        new = server.journal.requests[read:]
        read += len(new)
        idle = server.journal.in_progress == 0  # asked after reading: then all that was read has ended
        for seen in waiting + new:
            if idle or settled(seen):
                sys.stdout.write(f"{line_of(seen)}\n")
        waiting = [seen for seen in waiting + new if not (idle or settled(seen))]
        for problem in server.problems[problems:]:
            problems += 1
            sys.stdout.write(f"problem: {problem.strip().splitlines()[0]}\n")


def settled(seen: Seen) -> bool:
    """Return whether there is something to tell about a request."""
    return seen.status is not None or seen.aborted or time.monotonic() - seen.at > SETTLED


def line_of(seen: Seen) -> str:
    """Return the log line of one request."""
    connection = f"connection {seen.connection} ({'reused' if seen.reused else 'new'})"
    unknown = "" if seen.number else ", no such route"
    clock = time.strftime("%H:%M:%S")
    return f"{clock} {seen.method} {redact_url(seen.target)} -> {seen.outcome()}, {connection}{unknown}"


def summary(server: FaultServer) -> Iterator[str]:
    """Yield what the journal knows in the end."""
    journal = server.journal
    seen = journal.requests
    yield (
        f"{len(seen)} requests over {journal.connections_opened} connections, at most {journal.most_at_once} at once, "
        f"{journal.bytes_in} bytes in, {journal.bytes_out} bytes out"
    )
    counted = Counter((one.method, one.path, one.outcome()) for one in seen).most_common()
    for (method, path, outcome), count in counted[:SHOWN]:
        yield f"  {count:>6}  {method} {path} -> {outcome}"
    if len(counted) > SHOWN:
        yield f"  and {len(counted) - SHOWN} other kinds"
