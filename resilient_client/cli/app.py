"""Which commands there are, and how whatever goes wrong becomes one line on stderr and an exit code."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from resilient_client import __version__
from resilient_client.cli.call import call
from resilient_client.cli.check import check
from resilient_client.cli.demo.command import demo
from resilient_client.cli.download import download
from resilient_client.cli.explain import explain
from resilient_client.cli.init import init
from resilient_client.cli.schema import schema
from resilient_client.cli.serve import serve
from resilient_client.cli.top.command import top

PROGRAM = "resilient-client"

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells count."""

app = typer.Typer(
    name=PROGRAM,
    # Plain help and plain errors, the same on a terminal and in a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (call, download, check, explain, init, schema, serve, demo, top):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Call other services without making their outage yours."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def run() -> int:
    """Run the command that the arguments name and return the exit code; a usage error is one line and 2."""
    _settle(sys.stdout)
    _settle(sys.stderr)
    try:
        code = app(prog_name=PROGRAM, standalone_mode=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as problem:
        # The class of a usage error has moved between releases of typer; that it can tell itself has not.
        told = getattr(problem, "format_message", None)
        if told is None:
            raise
        context = getattr(problem, "ctx", None)
        where = context.command_path if context else PROGRAM
        sys.stderr.write(f"{where}: {' '.join(told().split())}\n")
        return int(getattr(problem, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _settle(stream: object) -> None:
    """Write each line as it comes, and what the stream's encoding lacks as an escape."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")
