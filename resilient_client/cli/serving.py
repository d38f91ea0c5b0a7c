"""What `serve` prints: where the server is and what is there, a line per request, and the journal in the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from resilient_client.cli.routes import ListedScript, listing
from resilient_client.cli.stopping import Stop
from resilient_client.cli.usage import why, wrong
from resilient_client.redact import redact_url
from resilient_client.testing import FaultServer, Seen
from resilient_client.testing.certificates import Tls

TICK: Final = 0.1
"""Seconds between two looks at the journal."""

SETTLED: Final = 0.5
"""A request that has no status after this many seconds is told as it is: it hangs, or its answer is no HTTP."""

SHOWN: Final = 40
"""Lines of the summary."""


def new_server(port: int, tls: Tls | None, routes: ListedScript, *, http2: bool) -> FaultServer:
    """Return the server, not yet listening; a usage error when TLS or HTTP/2 need what is not installed."""
    try:
        return FaultServer(tls=tls, http2=http2, port=port, script=routes, strict=False)
    except ImportError as missing:
        raise wrong("--http2" if http2 else "--tls", str(missing)) from None


def start(server: FaultServer, port: int) -> None:
    """Listen; a usage error when the port cannot be had."""
    try:
        server.start()
    except OSError as problem:
        raise wrong("--port", f"cannot listen on port {port}: {why(problem)}") from None


def announce(server: FaultServer, routes: ListedScript, *, signed: bool) -> None:
    """Say where it is and what is there; `signed`: also how to trust who signed its certificate."""
    lines = [f"listening on {server.url} (loopback only, for tests); Ctrl-C ends it", *listing(routes)]
    if signed:
        lines.append(f"trust its authority with: curl --cacert {server.authority_file()} {server.url}/")
    sys.stdout.write("\n".join(lines) + "\n")


def watch(server: FaultServer, stop: Stop) -> None:
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
