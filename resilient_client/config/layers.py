"""Layers: values from several places put on top of each other, each value knowing where it came from.

From the bottom: the defaults of the code, presets from the one that extends nothing upwards, the client's table, the
route's presets and table, the environment, what code gave as an argument. A table adds to those below it; "off" hides
what is below, and a table on top of "off" begins at the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final, Literal

from resilient_client.config.forms import OFF, form_of
from resilient_client.config.report import dotted
from resilient_client.policy import Default, Policy, policy_keys
from resilient_client.rules import Part

Kind = Literal["preset", "client", "route", "environment", "argument"]
Key = tuple[str, ...]

BUILT_IN: Final = "built in"
"""The place of what the package brings."""


class Mark(Enum):
    """What stands at a key besides values."""

    ON = "on"


ON: Final = Mark.ON
"""Stands at the key of a table that is there; its values stand below it."""


TABLES: Final = frozenset(
    (
        ("headers",),
        *((one.name,) for one in fields(Policy) if isinstance(one.metadata["rule"], Part)),
        ("retry", "budget"),
    )
)
"""The keys of what is a table, and may be off or on."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Validated values of one place, only those that were given."""

    kind: Kind
    name: str
    values: Mapping[str, Any]
    at: tuple[str | int, ...]
    where: Callable[[tuple[str | int, ...]], str]
    opens: frozenset[Key] | None = None
    """The tables that it switches on when they are off below; None: all that it has values for."""

    def adds_in_vain(self, merged: Merged, key: Key) -> bool:
        """Return whether it only adds to a table at `key` that is off, and means to leave it so."""
        return self.opens is not None and any(
            merged[table].value is None
            for table in (key[:length] for length in range(1, len(key) + 1))
            if table in merged and table not in self.opens and table in TABLES
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: a layer, and the key in it. The place is looked up when somebody asks."""

    layer: Layer
    key: Key

    @property
    def place(self) -> str:
        """`file:line`, or the name of an environment variable; empty when code gave it."""
        return self.layer.where((*self.layer.at, *self.key))

    @property
    def path(self) -> str:
        """The key from the top of the file."""
        return dotted((*self.layer.at, *self.key))

    def __str__(self) -> str:
        """Return it for `explain`: `preset careful (services.toml:3)`."""
        kind, place = self.layer.kind, self.place
        if kind == "environment":
            return f"environment {place}"
        told = f"{kind} {self.layer.name}".strip()
        return f"{told} ({place})" if place else told


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and where it came from, which takes no part in comparing."""

    value: Any
    origin: Origin = field(compare=False)


Merged = dict[Key, Found]
"""Every value that somebody gave, by its key: `("retry", "max_attempts")`."""


def merge(layers: Iterable[Layer]) -> Merged:
    """Return the values of all layers, a later one on top of the earlier ones."""
    merged: Merged = {}
    headers: dict[str, Key] = {}
    for layer in layers:
        for key, value in _flat(layer.values):
            if layer.adds_in_vain(merged, key) and value is not None:
                continue
            if value in (ON, None) and key in TABLES:
                _turn(merged, key, Found(value, Origin(layer, key)))
                continue
            if key[0] == "headers":  # names of header fields are compared without regard to case
                merged.pop(headers.get(key[1].lower(), key), None)
                headers[key[1].lower()] = key
            merged[key] = Found(value, Origin(layer, key))
    return merged


def _flat(values: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, value in values.items():
        key = (*above, name)
        if key in {("extends",), ("match",), ("routes",)}:
            continue
        if isinstance(value, Mapping):
            yield key, ON
            yield from _flat(value, key)
        else:
            yield key, value


def _turn(merged: Merged, key: Key, found: Found) -> None:
    if found.value is None:
        for below in [one for one in merged if one[: len(key)] == key]:
            del merged[below]
        merged[key] = found
    elif key not in merged or merged[key].value is None:
        merged[key] = found


# From values to policies, and to a file again.


def policy_of(merged: Merged) -> Policy:
    """Return the policy that the values make; raises `ConfigError` for values that contradict each other."""
    return Policy(**_arguments(Policy, merged, ()))


def part_of(merged: Merged, key: Key, kind: type) -> Any:
    """Return one policy of the whole, such as the `Retry` at `("retry",)`; raises `ConfigError`."""
    return kind(**_arguments(kind, merged, key))


def _arguments(kind: type, merged: Merged, above: Key) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for one in fields(kind):
        key, rule = (*above, one.name), one.metadata["rule"]
        found = merged.get(key)
        if found is None:
            continue
        if found.value == ON and isinstance(rule, Part):
            arguments[one.name] = part_of(merged, key, rule.kind)
        else:
            arguments[one.name] = _perhaps_default(merged, key, found.value)
    return arguments


def _perhaps_default(merged: Merged, key: Key, value: Any) -> Any:
    return Default(value) if _gives_way(merged, key) else value


def _gives_way(merged: Merged, key: Key) -> bool:
    """Return whether a time is a preset's and `total` is not: then it shrinks to fit, as a default does."""
    total, found = merged.get(("timeouts", "total")), merged[key]
    return (
        key[0] == "timeouts"
        and total is not None
        and isinstance(found.value, float)
        and found.origin.layer.kind == "preset" != total.origin.layer.kind
    )


def as_written(key: Key, value: Any) -> Any:
    """Return a value of a policy as it stands in a file."""
    for known, one in policy_keys():
        if known == key:
            form = form_of(one.metadata["rule"])
            if form is not None:
                return form.write(value)
            return OFF if value is None else value
    return value
