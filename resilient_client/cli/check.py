"""The command `check`: everything that is wrong with a policy file, a line for each mistake."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from resilient_client.cli import file_options as given
from resilient_client.cli.policy_file import MISTAKES, lines, read
from resilient_client.cli.terminal import coloured, one_line, styled
from resilient_client.errors import ConfigError, Problem

if TYPE_CHECKING:
    from resilient_client.config.policies import Policies


def check(file: given.PolicyFile, *, no_env: given.NoEnv = False, as_json: given.AsJson = False) -> None:
    """Say all that is wrong with a policy file. Exits with 0 when nothing is, 1 for mistakes, 2 without a file."""
    problems: tuple[Problem, ...] = ()
    policies: Policies | None = None
    try:
        policies = read(file, no_env=no_env)
    except ConfigError as error:
        problems = error.problems
    if as_json:
        sys.stdout.write(json.dumps(_document(policies, problems), indent=2) + "\n")
    elif policies is None:
        _tell(file, problems)
    else:
        sys.stdout.write(coloured(one_line(_summary(file, policies)), typer.colors.GREEN) + "\n")
    raise typer.Exit(0 if policies is not None else MISTAKES)


def _document(policies: Policies | None, problems: Iterable[Problem]) -> dict[str, object]:
    return {
        "ok": policies is not None,
        "problems": [{key: getattr(problem, key) for key in ("where", "key", "found", "said")} for problem in problems],
        "clients": [] if policies is None else list(policies.names),
    }


def _summary(file: Path, policies: Policies) -> str:
    routes = sum(len(client.get("routes", ())) for client in policies.dump()["clients"].values())
    return f"{file}: {_count(len(policies.names), 'client')}, {_count(routes, 'route')}, no mistakes"


def _tell(file: Path, problems: tuple[Problem, ...]) -> None:
    """Print the lines; on a terminal with what is to be read first picked out, and their number."""
    told = map(_picked_out, problems) if styled() else lines(problems)
    sys.stdout.writelines(f"{line}\n" for line in told)
    if sys.stdout.isatty():
        sys.stdout.write(f"{_count(len(problems), 'mistake')} in {one_line(str(file))}\n")


def _picked_out(problem: Problem) -> str:
    where = typer.style(one_line(problem.where), bold=True)
    key = typer.style(one_line(problem.key), fg=typer.colors.CYAN)
    found = f" = {typer.style(one_line(problem.found), fg=typer.colors.RED)}" if problem.found else ""
    parts = (where if problem.where else "", f"{key}{found}" if problem.key else "", one_line(problem.said))
    return ": ".join(part for part in parts if part)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
