"""What the environment overrides: `RESILIENT_CLIENT__CLIENTS__PAYMENTS__RETRY__MAX_ATTEMPTS=5`.

Names are joined by two underscores. A name of the file is written in capitals, with one underscore for whatever is
neither letter nor digit: `payment-gateway` is `PAYMENT_GATEWAY`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from resilient_client.config.client_keys import CLIENT_KEYS, EXTENDS
from resilient_client.config.forms import form_of
from resilient_client.config.report import Path, did_you_mean
from resilient_client.errors import Problem
from resilient_client.policy import policy_keys

PREFIX: Final = "RESILIENT_CLIENT__"


@dataclass(slots=True)
class Overrides:
    """What the environment says, as one document of the shape of a file, and which variable said what."""

    values: dict[str, dict[str, Any]] = field(default_factory=lambda: {"presets": {}, "clients": {}})
    variables: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def where(self, path: Path) -> str:
        """Return the variable that gave the key at `path`, or a table around or below it."""
        given = path
        while given and given not in self.variables:
            given = given[:-1]
        if given:
            return self.variables[given]
        below = (name for known, name in self.variables.items() if known[: len(path)] == path)
        return next(below, "the environment")


def written(name: str) -> str:
    """Return a name of the file as it is written in a variable."""
    return re.sub(r"[\W_]+", "_", name.upper()).strip("_")


def overrides_of(environment: Mapping[str, str], presets: Iterable[str], clients: Iterable[str]) -> Overrides:
    """Return what the variables of `environment` override, given the names that there are."""
    known = {"presets": list(presets), "clients": list(clients)}
    overrides = Overrides()
    for variable in sorted(environment):
        if variable.startswith(PREFIX):
            try:
                path = _path(variable, known)
                if path in overrides.variables:
                    raise ValueError(f"says the same as {overrides.variables[path]}; keep one of the two")
                _put(overrides.values, path, _value(path, environment[variable]))
            except ValueError as problem:
                overrides.problems.append(Problem(variable, "", str(problem)))
            else:
                overrides.variables[path] = variable
    return overrides


def _path(variable: str, known: dict[str, list[str]]) -> Path:
    kind, *rest = variable[len(PREFIX) :].split("__")
    group = kind.lower()
    if group not in known:
        raise ValueError(f"must begin with {PREFIX}CLIENTS__ or {PREFIX}PRESETS__")
    if len(rest) < 2 or not all(rest):
        raise ValueError(f"names no key; write it like {PREFIX}CLIENTS__PAYMENTS__RETRY__MAX_ATTEMPTS")
    owners = [name for name in known[group] if written(name) == rest[0]]
    if not owners:
        allowed = [written(name) for name in known[group]]
        raise ValueError(f"there is no {group[:-1]} {rest[0]}{did_you_mean(rest[0], allowed)}")
    if len(owners) > 1:
        raise ValueError(f"can be any of {', '.join(map(repr, owners))}; rename one of them")
    keys = [part.lower() for part in rest[1:]]
    if keys[0] == "routes":
        raise ValueError("routes are set in the file only; a variable for the client holds for all of its routes")
    if keys[0] == "headers" and len(keys) == 2:
        keys[1] = rest[2].replace("_", "-").title()
    return (group, owners[0], *keys)


def _put(values: dict[str, Any], path: Path, value: Any) -> None:
    *tables, last = path
    for name in tables:
        values = values.setdefault(str(name), {})
        if not isinstance(values, dict):
            raise ValueError(  # noqa: TRY004 - what is wrong is the value of a variable
                "is inside something that another variable sets as a whole; keep one of the two"
            )
    if isinstance(values.get(str(last)), dict):
        raise ValueError(  # noqa: TRY004 - likewise
            "sets as a whole what other variables set the parts of; keep one of the two"
        )
    values[str(last)] = value


def _value(path: Path, text: str) -> Any:
    """Return what `text` means: itself where a text is wanted, else the TOML value it is, else itself."""
    if path[2:3] == ("headers",) and len(path) > 3:
        return text
    if _is_text(path):
        return text
    if "\n" in text or len(text) > 10_000:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _is_text(path: Path) -> bool:
    name = str(path[-1])
    if len(path) == 3:
        keys = {"extends": EXTENDS, **CLIENT_KEYS}
        return name in keys and keys[name][0].text
    return any(form.text for form in _forms(name))


def _forms(name: str) -> Iterator[Any]:
    for key, one in policy_keys():
        form = form_of(one.metadata["rule"])
        if key[-1] == name and form is not None:
            yield form
