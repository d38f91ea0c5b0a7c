"""The option `--set`: changes as `timeouts.total=3s`, put together as the table of a client that they would make."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any, Final

from resilient_client.cli.usage import wrong

OPTION: Final = "--set"

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")


def changes_of(given: Iterable[str]) -> dict[str, Any]:
    """Return the table that the texts of all `--set` make; a usage error for one that is none."""
    table: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        path = _path(key.strip())
        if not equals or not all(map(_NAME.fullmatch, path[:1] if path[0] == "headers" else path)):
            raise wrong(OPTION, "write KEY=VALUE, with the key as in the client's table, such as timeouts.total=3s")
        if path[0] == "routes":
            raise wrong(OPTION, "routes are set in the file only; a change holds for the client and all of its routes")
        of_header = path[0] == "headers" and len(path) > 1
        _put(table, path, value.strip() if of_header else _value(value.strip()))
    return table


def _path(key: str) -> list[str]:
    """Return the parts of a key; the name of a header may have dots of its own."""
    table, _, name = key.partition(".")
    return [table, name] if table == "headers" and name else key.split(".")


def _value(text: str) -> Any:
    """Return the TOML value that `text` is, else itself, so that `3s` needs no quotes."""
    if "\n" in text or len(text) > 10_000:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _put(table: dict[str, Any], path: list[str], value: Any) -> None:
    for length, name in enumerate(path[:-1], 1):
        inside = table.setdefault(name, {})
        if not isinstance(inside, dict):
            whole = ".".join(path[:length])
            raise wrong(OPTION, f"{'.'.join(path)} is inside {whole}, which is set as a whole; keep one of the two")
        table = inside
    if isinstance(table.get(path[-1]), dict):
        raise wrong(OPTION, f"{'.'.join(path)} is set as a whole and in parts; keep one of the two")
    table[path[-1]] = value
