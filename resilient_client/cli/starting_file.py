"""The file to start from: every key of a client with its default and its meaning, made from the rules themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from resilient_client.base_client import BaseClient
from resilient_client.cli.policy_file import SCHEMA_FILE
from resilient_client.config.client_keys import CLIENT_KEYS
from resilient_client.config.forms import form_of, shown
from resilient_client.policy import Policy
from resilient_client.rules import Part

HEAD: Final = f"""\
#:schema ./{SCHEMA_FILE}
#
# Which services are called, and how long, how often and how many. A program reads this file with load_policies().
# Lines that begin with # are switched off. They show every key with its default; a preset may say otherwise.
#
#   resilient-client check FILE              all that is wrong with it
#   resilient-client explain FILE example    what holds, and which line says so

# A preset is a set of values with a name. Clients, routes and other presets extend it. There are also "standard" (the
# defaults), "interactive", "batch" and "critical-write".
[presets.house]
extends = "interactive"
retry = {{ max_retry_after = "2s" }}

# One table for each service: policies.client("example") is its client.
[clients.example]
extends = "house"
"""

ROUTE: Final = """\
# Calls that have values of their own. What is not said here is as for the client. The most specific match wins; {id} is
# one segment, {name:path} at the end one or more, and without a method any will do.
[[clients.example.routes]]
match = "GET /reports/{id}"
timeouts = { attempt = "10s", total = "30s" }
"""

GIVEN: Final = {"base_url": '"https://example.internal"'}
"""What is switched on."""

EXAMPLES: Final = {
    "headers": '{ Authorization = "Bearer ${EXAMPLE_TOKEN}" }',
    "cert": '["client.pem", "client.key"]',
    "proxy": '"http://proxy.internal:3128"',
    "uds": '"/run/example.sock"',
    "local_address": '"192.0.2.1"',
    "wire": '"default"',
}
"""What is shown of a key that is nothing by default."""

WIDEST: Final = 30
"""Columns for key and value, beyond which a meaning begins where it can."""


def starting_file() -> str:
    """Return the text of the file."""
    tables = _tables(Policy, ("clients", "example"))
    return "\n".join([HEAD + "\n".join([*_client_keys(), *_keys(Policy)]) + "\n", *tables, ROUTE])


def _client_keys() -> Iterator[str]:
    options = inspect.signature(BaseClient).parameters
    for name, (_, meaning) in CLIENT_KEYS.items():
        default = options[name].default
        if name in GIVEN:
            yield _line(f"{name} = {GIVEN[name]}", meaning)
        elif default is not None:
            yield _line(f"# {name} = {shown(default)}", meaning)
        else:
            yield _line(f"# {name} = {EXAMPLES[name]}", f"{meaning} None by default.")


def _keys(policy: type) -> Iterator[str]:
    for one in fields(policy):
        form = form_of(one.metadata["rule"])
        if form is not None:
            yield _line(f"# {one.name} = {shown(form.write(one.default))}", one.metadata["meaning"])


def _tables(policy: type, above: tuple[str, ...]) -> Iterator[str]:
    for one in fields(policy):
        rule: Any = one.metadata["rule"]
        if isinstance(rule, Part):
            name = (*above, one.name)
            off = f' {one.name} = "off" in place of this table switches it off.' if rule.optional else ""
            head = [f"# {one.metadata['meaning']}{off}", f"[{'.'.join(name)}]"]
            yield "\n".join([*head, *_keys(rule.kind)]) + "\n"
            yield from _tables(rule.kind, name)


def _line(setting: str, meaning: str) -> str:
    return f"{setting:<{WIDEST}}  # {meaning}"
