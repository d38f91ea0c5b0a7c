"""How a setting is written in a policy file: what is accepted for each rule, in words and as JSON Schema, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from resilient_client.config import units
from resilient_client.rules import MOST, Choice, Flag, HeaderName, Number, Ratio, Rule, Whole

OFF: Final = "off"
"""What switches a thing off in a file: TOML has no word for nothing."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of value is written. `read` raises `ValueError` with what is wrong and what is allowed."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    words: str
    schema: dict[str, Any]
    text: bool = False
    """Whether the value is text, so that an environment variable gives it as it stands."""


def form_of(rule: Rule) -> Form | None:  # noqa: PLR0911 - a table is a table
    """Return how values under `rule` are written; None for what only code can give."""
    if isinstance(rule, Number) and rule.unit == "seconds":
        return _spelled(rule, units.parse_duration, units.format_duration, _DURATION, units.DURATION)
    if isinstance(rule, Whole) and rule.unit == "bytes":
        return _spelled(rule, units.parse_size, units.format_size, _SIZE, units.SIZE)
    if isinstance(rule, (Number, Ratio)):
        return _form(rule, _number_of, {"type": "number", **_bounds(rule)})
    if isinstance(rule, Whole):
        return _form(rule, _same, {"type": "integer", **_bounds(rule)})
    if isinstance(rule, Choice):
        return _form(rule, _same, {"type": "string", "enum": list(rule.choices)}, text=True)
    if isinstance(rule, Flag):
        return Form(_form(rule, _same, {}).read, _same, "true or false", {"type": "boolean"})
    if isinstance(rule, HeaderName):
        return _form(rule, _same, {"type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}, text=True)
    return None


_DURATION: Final = 'a duration {bound}, such as "250ms" or "1m30s" (a bare number is seconds)'
_SIZE: Final = 'a size {bound}, such as "10MiB" (a bare number is bytes)'


def _same(value: Any) -> Any:
    return value


def _number_of(value: Any) -> Any:
    """Return a number as Python counts it; everything else as it is, for the rule to refuse."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MOST else value


def words_of(rule: Rule) -> str:
    """Return what is allowed under `rule`, in a file."""
    allowed = rule.allowed
    if rule.optional:
        allowed = allowed.removesuffix(" or None") + f', or "{OFF}"'
    return allowed.replace("'", '"')


def _bounds(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, Ratio):
        return {"exclusiveMinimum": 0, "maximum": 1}
    if isinstance(rule, Number):
        return {"exclusiveMinimum" if rule.above else "minimum": rule.low, "maximum": rule.most}
    if isinstance(rule, Whole):
        return {"minimum": rule.low, "maximum": rule.most if rule.high is None else rule.high}
    return {}


def _form(rule: Rule, parse: Callable[[Any], Any], schema: dict[str, Any], *, text: bool = False) -> Form:
    words = words_of(rule)

    def read(value: Any) -> Any:
        if rule.optional and (value is None or value == OFF):
            return None
        parsed = parse(value)
        if parsed is None or not rule.fits(parsed):
            raise ValueError(f"must be at most {rule.most:g}" if rule.too_large(parsed) else f"must be {words}")
        return parsed

    return Form(read, lambda value: OFF if value is None else value, words, _or_off(rule, schema), text)


def _spelled(
    rule: Number | Whole, parse: Callable[[str], float], show: Callable[[Any], str], words: str, pattern: str
) -> Form:
    """Return the form of a number that may also be written with a unit."""
    bound = f"{'above' if isinstance(rule, Number) and rule.above else 'of at least'} {rule.low:g}"
    said = words.format(bound=bound) + (f', or "{OFF}"' if rule.optional else "")
    plain = _form(rule, _number_of if isinstance(rule, Number) else _same, {"type": "integer"})

    def read(value: Any) -> Any:
        if not isinstance(value, str) or (rule.optional and value == OFF):
            try:
                return plain.read(value)
            except ValueError as problem:
                raise ValueError(str(problem) if rule.too_large(value) else f"must be {said}") from None
        try:
            parsed = parse(value)
        except ValueError as problem:
            raise ValueError(f"{problem}; it must be {said}") from None
        if not rule.fits(parsed):
            raise ValueError(f"must be at most {rule.most:g}" if rule.too_large(parsed) else f"must be {said}")
        return parsed

    def write(value: Any) -> Any:
        if value is None:
            return OFF
        shown = show(value)
        if shown[-1:].isalpha() and parse(shown) == value:
            return shown
        return float(value) if isinstance(value, float) else value  # and not a number that remembers what it was

    kind = "number" if isinstance(rule, Number) else "integer"
    texts = {"type": "string", "pattern": f"^{pattern}$"}
    return Form(read, write, said, _or_off(rule, {"anyOf": [{"type": kind, **_bounds(rule)}, texts]}))


def _or_off(rule: Rule, schema: dict[str, Any]) -> dict[str, Any]:
    if not rule.optional:
        return schema
    return {"anyOf": [*schema.get("anyOf", [schema]), {"const": OFF}]}


def shown(value: Any) -> str:
    """Return a value as it would stand in a file, shortened; never raises."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except Exception:  # noqa: BLE001 - a dict given by code may hold anything
        text = f"a {type(value).__name__}"
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return text if len(text) <= 60 else f"{text[:57]}..."
