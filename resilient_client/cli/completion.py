"""What a shell offers for CLIENT: the names in the file that the command line has named already."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer


def clients_of_file(context: typer.Context, incomplete: str) -> list[str]:
    """Return the clients of the argument FILE that begin with `incomplete`."""
    return _clients(context.params.get("file"), incomplete)


def clients_of_call(context: typer.Context, incomplete: str) -> list[str]:
    """Return the clients of the file after `--policies`, when CLIENT comes next; a URL cannot be guessed."""
    return [] if context.params.get("target") else _clients(context.params.get("policies"), incomplete)


def _clients(file: Any, incomplete: str) -> list[str]:
    """Return names without checking the file: one with mistakes has clients all the same."""
    from resilient_client.config.sources import read  # noqa: PLC0415 - only a shell that asks pays for it

    if not isinstance(file, str | os.PathLike):
        return []
    try:
        clients = read(Path(file)).values.get("clients")
    except ValueError:  # no such file, or none that can be read: nothing to offer, and nobody to tell
        return []
    names = map(str, clients) if isinstance(clients, Mapping) else ()
    return [name for name in names if name.startswith(incomplete) and _is_one_word(name)]


def _is_one_word(name: str) -> bool:
    """Return whether a shell takes `name` as it stands: bash puts what it is offered on its line unquoted."""
    return shlex.quote(name) == name and not name.startswith("-")
