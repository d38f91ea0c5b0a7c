"""The arguments and options that the commands for policy files have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from resilient_client.cli.completion import clients_of_file

PolicyFile: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="A policy file, or a pyproject.toml that has one.", show_default=False)
]
ClientName: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="CLIENT", help="Its name in the file.", show_default=False, autocompletion=clients_of_file),
]
NoEnv: TypeAlias = Annotated[
    bool, typer.Option("--no-env", help="Take the file alone, without overrides from the environment.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
