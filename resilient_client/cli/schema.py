"""The command `schema`: the JSON Schema of a policy file, for editors and for checks without this package."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from resilient_client.cli import file_options as given
from resilient_client.cli.policy_file import schema_text
from resilient_client.cli.usage import write_file


def schema(
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file, not to stdout.")
    ] = None,
    as_json: given.AsJson = False,
) -> None:
    """Print the JSON Schema of a policy file."""
    text = schema_text()
    if output is None:
        sys.stdout.write(text)
        return
    write_file(output, text, "--output")
    sys.stdout.write(json.dumps({"schema": str(output)}) + "\n" if as_json else f"{output} written\n")
