"""The command `init`: a commented policy file to start from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from resilient_client.cli import file_options as given
from resilient_client.cli.policy_file import SCHEMA_FILE, schema_text
from resilient_client.cli.usage import write_file, wrong

USUAL: Final = Path("resilient-client.toml")


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="What to write.")] = USUAL,
    *,
    with_schema: Annotated[bool, typer.Option("--schema", help=f"Write {SCHEMA_FILE} beside it, for editors.")] = False,
    force: given.Force = False,
    as_json: given.AsJson = False,
) -> None:
    """Write a commented policy file to start from. What is there already stays, unless --force is given."""
    from resilient_client.cli.starting_file import starting_file  # noqa: PLC0415 - only this command needs it

    if file.name == "pyproject.toml":
        raise wrong("FILE", f"{file} holds more than policies; name a file of its own")
    schema = file.parent / SCHEMA_FILE
    wanted = {file: starting_file(), **({schema: schema_text()} if with_schema else {})}
    for path in wanted if not force else ():
        if path.exists():
            raise wrong("FILE", f"{path} is there already; --force overwrites it")
    for path, text in wanted.items():
        write_file(path, text, "FILE", new=not force)
    if as_json:
        told = {"file": str(file), "schema": str(schema) if with_schema else None}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.writelines(f"{path} written\n" for path in wanted)
