"""Dataclasses made quickly, for the few that every call makes.

The `__init__` that `dataclass(frozen=True, slots=True)` writes finds each slot by its name through
`object.__setattr__`. A function written here makes an object of a twin class first, with the same slots and not frozen,
sets its fields as those of any other, and then makes it what it is. That takes half the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from types import new_class
from typing import Any, ParamSpec, TypeVar, get_origin

P = ParamSpec("P")
V = TypeVar("V")


def maker(cls: Callable[P, V]) -> Callable[P, V]:
    """Return a function that makes what `cls(...)` makes; `cls` is a dataclass with slots and without factories."""
    kind: Any = get_origin(cls) or cls
    known: dict[str, Any] = {"own": kind, "twin": _twin(kind)}
    given: list[str] = []
    lines: list[str] = []
    for one in fields(kind):
        known[f"of_{one.name}"] = one.default
        if one.init:
            given.append(one.name if one.default is MISSING else f"{one.name}=of_{one.name}")
        lines.append(f"self.{one.name} = {one.name if one.init else f'of_{one.name}'}")
    name = f"new_{kind.__name__.lower()}"
    body = ["self = twin()", *lines, "self.__class__ = own", "return self"]
    exec("\n    ".join([f"def {name}({', '.join(given)}):", *body]), known)  # noqa: S102 - names of fields only
    made: Callable[P, V] = known[name]
    return made


def _twin(kind: Any) -> type[Any]:
    bases = getattr(kind, "__orig_bases__", kind.__bases__)
    return new_class(f"{kind.__name__}InTheMaking", bases, exec_body=lambda body: body.update(__slots__=kind.__slots__))
