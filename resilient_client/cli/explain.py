"""The command `explain`: what holds for a client or one of its calls, and where each value comes from."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from resilient_client.cli import file_options as given
from resilient_client.cli.changes import changes_of
from resilient_client.cli.policy_file import read_sound
from resilient_client.cli.terminal import safe, styled
from resilient_client.cli.usage import told_as_usage, wrong
from resilient_client.wire.requests import check_method

if TYPE_CHECKING:
    from resilient_client.config.explanation import Explanation


def explain(
    file: given.PolicyFile,
    client: given.ClientName,
    method: Annotated[str | None, typer.Argument(metavar="METHOD", help="Of one call.", show_default=False)] = None,
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="Of that call, behind base_url.", show_default=False)
    ] = None,
    *,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="See what a change would do: timeouts.total=3s; repeatable."),
    ] = None,
    no_env: given.NoEnv = False,
    as_json: given.AsJson = False,
) -> None:
    """Tell what holds for a client, or for its calls to a path, and which line or variable says so."""
    if method is not None and path is None:
        raise wrong("PATH", "it is missing; give METHOD and PATH, or neither")
    table = changes_of(changes or [])
    with told_as_usage():
        asked = None if method is None else check_method(method)
    policies = read_sound(file, no_env=no_env)
    with told_as_usage():
        explanation = policies.explain(client, asked, path, changes=table)
    if as_json:
        sys.stdout.write(json.dumps(explanation.as_dict(), indent=2) + "\n")
    else:
        _show(explanation)


def _show(explanation: Explanation) -> None:
    if styled():
        from resilient_client.cli.explanation_table import show  # noqa: PLC0415 - only a terminal needs rich

        show(explanation)
    else:
        sys.stdout.write(f"{safe(str(explanation))}\n")
