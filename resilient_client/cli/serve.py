"""The command `serve`: the paired server in the foreground, to play with from curl or from a client of any kind."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from resilient_client.cli.stopping import stopping


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
    # Only this command pays for importing the paired server.
    from resilient_client.cli.routes import new_script  # noqa: PLC0415
    from resilient_client.cli.serving import announce, new_server, start, summary, watch  # noqa: PLC0415

    routes = new_script(script)
    server = new_server(port, tls.value if tls else None, routes, http2=http2)
    with stopping() as stop:
        start(server, port)
        try:
            announce(server, routes, signed=http2 or tls not in (None, Certificate.SELF_SIGNED))
            watch(server, stop)
        finally:
            server.stop()
        for line in summary(server):
            sys.stdout.write(f"{line}\n")
