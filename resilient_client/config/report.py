"""The report: what is wrong with a policy file, all of it, each with its place, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from resilient_client.config.forms import OFF, shown
from resilient_client.config.schema import FileModel, model_at
from resilient_client.errors import ConfigError, Problem

Path = tuple[str | int, ...]

_ONLY_CODE: Final = {
    "auth": 'credentials belong into the environment: headers = { Authorization = "Bearer ${TOKEN}" }',
    "transport": "only code can give it: policies.client(name, transport=...)",
}


MOST_NAMES: Final = 12
"""Names that are listed where one was wrong."""

MOST_COMPARED: Final = 500
"""Names that a wrong one is compared with."""

MOST_TOLD: Final = 200
"""Problems that the message of a report lists; `problems` has them all."""


def dotted(path: Path) -> str:
    """Return a path as text: `clients.payments.routes[0].retry`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if part.replace("-", "").replace("_", "").isalnum() and part.isascii() else shown(part)
            text += f".{name}" if text else name
    return text


def listed(start: str, names: Iterable[str]) -> str:
    """Return `; there are a, b, c and 40 more`."""
    known = list(names)
    more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
    return f"{start} {', '.join(known[:MOST_NAMES]) or 'none'}{more}"


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """Return `; did you mean 'x'?`, or nothing when no allowed name is near."""
    by_lower = {one.lower(): one for one in islice(allowed, MOST_COMPARED)}
    near = get_close_matches(str(name)[:100].lower(), list(by_lower), n=1)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""


def of_validation(error: ValidationError, at: Path, where: Callable[[Path], str]) -> Iterable[tuple[Path, Problem]]:
    """Yield the place of each mistake below the table at `at`, and what to say about it."""
    for one in error.errors(include_url=False):
        path = (*at, *one["loc"]) or ("everything",)
        kind = one["type"]
        hidden = kind in {"extra_forbidden", "missing"} or _secret(path)
        found = "" if hidden else _found(path, one["input"])
        yield path, Problem(where(path), dotted(path), _told(path, one), found)


def _told(path: Path, error: Any) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "missing":
        return f"is missing{_missing(path)}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f'must be a table, or "{OFF}"' if _may_be_off(path) else "must be a table"
    if kind == "list_type":
        return f"must be an array of tables, written as [[{dotted(path)}]]"
    return str(error["msg"])


def _missing(path: Path) -> str:
    return "; write the calls it is for, such as match = 'POST /charges/{id}'" if path[-1] == "match" else ""


def _secret(path: Path) -> bool:
    return not {"headers", "proxy", "cert"}.isdisjoint(path[:4])


def _found(path: Path, value: Any) -> str:
    return "" if path[-1] == "base_url" and "@" in str(value) else shown(value)


def _may_be_off(path: Path) -> bool:
    model = model_at(path[:-1])
    if model is None or path[-1] not in model.model_fields:
        return False
    return type(None) in getattr(model.model_fields[str(path[-1])].annotation, "__args__", ())


def _unknown(path: Path) -> str:
    name, model = path[-1], model_at(path[:-1])
    allowed = list(model.model_fields) if model else []
    if name in _ONLY_CODE:
        return f"is no key of a file; {_ONLY_CODE[str(name)]}"
    if path[-2:-1] == ("retry",) and name in {"wait", "stop", "retry"}:
        return "is no key of a file; only code can give a tenacity strategy"
    hint = did_you_mean(name, allowed) or _elsewhere(str(name), model)
    return f"is not a key that is known here{hint}" + ("" if hint else f"; known are {', '.join(allowed)}")


def _elsewhere(name: str, model: type[BaseModel] | None) -> str:
    """Return where `name` is a key, when that is one table further down or at the top."""
    for section, one in (model or FileModel).model_fields.items():
        inner = [kind for kind in getattr(one.annotation, "__args__", (one.annotation,)) if isinstance(kind, type)]
        for kind in inner:
            if issubclass(kind, BaseModel) and name in kind.model_fields:
                return f"; did you mean '{section}.{name}'?"
    return ""


def raise_if_any(problems: Iterable[Problem], label: str) -> None:
    """Raise one `ConfigError` that lists all problems, in the order of the file."""
    found = sorted(dict.fromkeys(problems), key=_place)
    if not found:
        return
    of = f" in {label}" if label else ""
    head = f"{len(found)} mistake{'' if len(found) == 1 else 's'}{of}"
    lines = [f"{head}:", *map(str, found[:MOST_TOLD])]
    if len(found) > MOST_TOLD:
        lines.append(f"... and {len(found) - MOST_TOLD} more")
    raise ConfigError("\n  ".join(lines), problems=tuple(found))


def _place(problem: Problem) -> tuple[str, int, str]:
    name, _, line = problem.where.rpartition(":")
    return (name, int(line), problem.key) if line.isdigit() else (problem.where, 0, problem.key)
