"""The command `top`: the clients of a running process, live in a terminal."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resilient_client.cli.stopping import stopping
from resilient_client.cli.usage import wrong

if TYPE_CHECKING:
    from resilient_client.cli.top.source import Source


def top(
    url: Annotated[str | None, typer.Argument(metavar="URL", help="The url of serve_state().")] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="PATH", help="The file of write_state(), in place of a URL.")
    ] = None,
    every: Annotated[
        float, typer.Option("--every", min=0.2, max=3600, metavar="SECONDS", help="How often to look.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print what there is now as plain text, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the document as it was published, and end.")] = False,
) -> None:
    """Watch the clients of a process that publishes its state: circuits, permits, budgets and recent failures."""
    # Only this command pays for importing rich and a client.
    from resilient_client.cli.top import screen  # noqa: PLC0415
    from resilient_client.cli.top.source import Gone  # noqa: PLC0415

    with stopping() as stop, closing(_source(url, file)) as source:
        try:
            first = source.read()
        except Gone as problem:
            raise wrong("URL" if file is None else "--file", f"{source.name}: {problem}") from None
        if as_json:
            sys.stdout.write(json.dumps(first.document, indent=2) + "\n")
        elif once or not screen.animated():
            sys.stdout.write(screen.once(source, first))
        else:
            screen.live(source, first, every, stop)


def _source(url: str | None, file: Path | None) -> Source:
    from resilient_client.cli.top.source import FileSource, UrlSource  # noqa: PLC0415

    if (url is None) == (file is None):
        raise wrong("URL", "give the url that serve_state() tells, or --file and the path of write_state()")
    if file is not None:
        return FileSource(file)
    assert url is not None  # noqa: S101 - one of them was given
    return UrlSource(url)
