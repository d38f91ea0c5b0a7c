"""A policy file as its commands take it: read, or what is wrong with it told, and the exit code that says so."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from resilient_client.cli.terminal import one_line
from resilient_client.cli.usage import told_as_usage, wrong
from resilient_client.config import load_policies
from resilient_client.errors import ConfigError, Problem

if TYPE_CHECKING:
    from resilient_client.config.policies import Policies

MISTAKES: Final = 1
"""The exit code for a file with mistakes."""

SCHEMA_FILE: Final = "resilient-client.schema.json"
"""What the schema is called beside a policy file."""


def read(file: Path, *, no_env: bool = False, named: str = "FILE") -> Policies:
    """Return the policies of `file`; a usage error when it cannot be read, a `ConfigError` for its mistakes."""
    _need_pydantic()
    environment: Mapping[str, str] | None = {} if no_env else None
    try:
        return load_policies(file, environment=environment)
    except ConfigError as error:
        if error.problems:
            raise
        raise wrong(named, str(error)) from None


def read_sound(file: Path, *, no_env: bool = False, named: str = "FILE") -> Policies:
    """Return the policies of `file`; its mistakes go to stderr and end the command."""
    try:
        return read(file, no_env=no_env, named=named)
    except ConfigError as error:
        sys.stderr.writelines(f"{line}\n" for line in lines(error.problems))
        raise typer.Exit(MISTAKES) from None


def lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield each mistake as the line that editors and other programs can take apart: `where: key = found: said`."""
    return (one_line(str(problem)) for problem in problems)


def schema_text() -> str:
    """Return the JSON Schema of a policy file, as its file has it."""
    _need_pydantic()
    from resilient_client.config.schema import json_schema  # noqa: PLC0415 - needs pydantic

    return json.dumps(json_schema(), indent=2) + "\n"


def _need_pydantic() -> None:
    with told_as_usage():
        try:
            import pydantic  # noqa: F401, PLC0415 - only those who want a policy file pay for it
        except ImportError:
            raise ConfigError("policy files need pydantic; install resilient-client[cli]") from None
