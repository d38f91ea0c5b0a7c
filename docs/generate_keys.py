#!/usr/bin/env python3
"""Write docs/policy-file-keys.md, the reference of every key of a policy file, from the rules in the code.

Run it as `python docs/generate_keys.py` after a change of a policy's settings or of a client's keys.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

from resilient_client.base_client import BaseClient
from resilient_client.config.client_keys import CLIENT_KEYS, EXTENDS, MATCH
from resilient_client.config.forms import Form, form_of, shown
from resilient_client.config.resolve import STANDARD
from resilient_client.config.schema import FileModel
from resilient_client.policy import Policy
from resilient_client.rules import Part, Strategy

PAGE: Final = Path(__file__).parent / "policy-file-keys.md"
COMMAND: Final = "python docs/generate_keys.py"

PAGES: Final = {
    "timeouts": "policies/deadline-and-timeouts.md",
    "retry": "policies/retry.md",
    "retry.budget": "policies/retry-budget.md",
    "breaker": "policies/breaker.md",
    "bulkhead": "policies/bulkhead.md",
}
"""Where the numbers of a section have their reasons."""

HEAD: Final = f"""\
# Keys of a policy file

Every key, with what is allowed and what holds when nobody says anything. [Policy files](policy-files.md) tells how to
use them. `{COMMAND}` writes this page, from the rules that check a file.

A **duration** is a text such as `"250ms"` or `"1m30s"`, or a bare number of seconds. A **size** is a text such as
`"10MiB"`, or a bare number of bytes. `"off"` switches off what has it among its allowed values.
"""

TOP: Final = {
    "presets": "one table per preset: `[presets.NAME]`",
    "clients": "one table per service: `[clients.NAME]`",
}
OWNERS: Final = (
    (
        "[clients.NAME]",
        "One service: these keys and the [policies](#policies). They hold for every call that matches no route.",
        "client",
    ),
    (
        "[[clients.NAME.routes]]",
        "One table per route: these keys and the [policies](#policies). What it does not say is as for its client.",
        "route",
    ),
    (
        "[presets.NAME]",
        "Values to extend: this key and the [policies](#policies). Some are [built in](policies/presets.md).",
        "preset",
    ),
)

_UNIT = re.compile(r", such as .* \(a bare number is (?:seconds|bytes)\)")


def page() -> str:
    """Return the page."""
    policies = ["## Policies\n", "The keys that a client, a route and a preset have in common.\n"]
    owners = [part for owner in OWNERS for part in _owner(*owner)]
    parts = [HEAD, *_file(), *owners, *policies, *_table(_settings(Policy, "")), *_sections(Policy, "")]
    return "\n".join(parts).rstrip() + "\n"


def _table(rows: Iterator[tuple[str, str, str, str]]) -> list[str]:
    lines = [f"| `{key}` | {allowed} | {default} | {meaning} |" for key, allowed, default, meaning in rows]
    return ["| key | allowed | default | meaning |", "|---|---|---|---|", *lines, ""]


def _file() -> list[str]:
    rows = ((name, TOP[name], "none", str(one.description)) for name, one in FileModel.model_fields.items())
    return ["## The file\n", *_table(rows)]


def _owner(header: str, about: str, kind: str) -> list[str]:
    return [f"## {header}\n", f"{about}\n", *_table(_keys_of_owner(kind))]


def _keys_of_owner(kind: str) -> Iterator[tuple[str, str, str, str]]:
    if kind == "route":
        yield _given("match", MATCH, "must be given")
    yield _given("extends", EXTENDS, f"`{shown(STANDARD)}`" if kind == "client" else "none")
    if kind == "client":
        options = inspect.signature(BaseClient).parameters
        for name, given in CLIENT_KEYS.items():
            default = options[name].default
            yield _given(name, given, "none" if default is None else f"`{shown(default)}`")
        yield "routes", "an array of tables: `[[clients.NAME.routes]]`", "none", "Calls that have values of their own."


def _given(name: str, given: tuple[Form, str], default: str) -> tuple[str, str, str, str]:
    return name, given[0].words, default, given[1]


def _settings(policy: type, above: str) -> Iterator[tuple[str, str, str, str]]:
    for one in fields(policy):
        rule = one.metadata["rule"]
        if isinstance(rule, Part):
            name = f"{above}{one.name}"
            off = ', or `"off"`' if rule.optional else ""
            yield one.name, f"[a table](#{name.replace('.', '')}){off}", "on", one.metadata["meaning"]
        elif (form := form_of(rule)) is not None:
            yield one.name, _short(form), _default(form, one), one.metadata["meaning"]


def _short(form: Form) -> str:
    return _UNIT.sub("", form.words).replace('"off"', '`"off"`')


def _default(form: Form, one: Field[Any]) -> str:
    return f"`{shown(form.write(one.default))}`"


def _sections(policy: type, above: str) -> list[str]:
    lines: list[str] = []
    for one in fields(policy):
        rule = one.metadata["rule"]
        if isinstance(rule, Part):
            name = f"{above}{one.name}"
            lines += [f"## {name}\n", f"{one.metadata['meaning']} Reasons: [the page of its policy]({PAGES[name]}).\n"]
            lines += _table(_settings(rule.kind, f"{name}."))
            code = [f"`{key.name}`" for key in fields(rule.kind) if isinstance(key.metadata["rule"], Strategy)]
            lines += [f"{', '.join(code)}: only code can give a tenacity strategy.\n"] if code else []
            lines += _sections(rule.kind, f"{name}.")
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
