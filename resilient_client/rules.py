"""Rules: what one setting may be, in words and as a check.

A policy's field carries its rule and its meaning (`setting`). Whoever needs them reads them there: the policies check
themselves, the policy file derives its schema, the documentation its reference. They are no dataclasses: to make
one takes as long as to import a module, and nobody compares rules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import field, fields
from typing import Any, Final, Literal

from resilient_client.errors import ConfigError

MOST: Final = 10**9
"""No number means anything above: as seconds it is thirty years. Sizes may be larger."""

MOST_BYTES: Final = 10**15

_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Rule(ABC):
    """What a value may be; `optional` ones may also be None, which switches the thing off."""

    __slots__ = ("optional",)

    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def fits(self, value: object) -> bool:
        """Return whether `value` is allowed."""
        return (self.optional and value is None) or self._fits(value)

    @property
    def allowed(self) -> str:
        """What is allowed, to follow "must be"."""
        return self._allowed + (" or None" if self.optional else "")

    @property
    def most(self) -> float:
        """The largest number that is allowed; not told with the rest, since nobody means to exceed it."""
        return MOST

    def too_large(self, value: object) -> bool:
        """Return whether a number is more than anybody could mean."""
        return isinstance(value, (int, float)) and value > self.most

    @abstractmethod
    def _fits(self, value: object) -> bool: ...

    @property
    @abstractmethod
    def _allowed(self) -> str: ...


class Number(Rule):
    """A finite number; `above`: `low` itself is not allowed. `unit` is "seconds" for a time."""

    __slots__ = ("above", "low", "unit")

    def __init__(
        self, *, optional: bool = False, low: float = 0, above: bool = False, unit: Literal["", "seconds"] = ""
    ) -> None:
        super().__init__(optional=optional)
        self.low = low
        self.above = above
        self.unit = unit

    def _fits(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MOST:
            return False
        return value > self.low if self.above else value >= self.low

    @property
    def _allowed(self) -> str:
        return f"a finite number {'above' if self.above else 'of at least'} {self.low:g}"


class Whole(Rule):
    """A whole number; `unit` is "bytes" for a size."""

    __slots__ = ("high", "low", "unit")

    def __init__(
        self, *, optional: bool = False, low: int = 0, high: int | None = None, unit: Literal["", "bytes"] = ""
    ) -> None:
        super().__init__(optional=optional)
        self.low = low
        self.high = high
        self.unit = unit

    def _fits(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= (self.most if self.high is None else self.high)

    @property
    def most(self) -> float:
        """The largest number that is allowed."""
        return MOST_BYTES if self.unit == "bytes" else MOST

    @property
    def _allowed(self) -> str:
        return f"a whole number {f'of at least {self.low}' if self.high is None else f'from {self.low} to {self.high}'}"


class Ratio(Rule):
    """A part of a whole."""

    __slots__ = ()

    def _fits(self, value: object) -> bool:
        return not isinstance(value, bool) and isinstance(value, (int, float)) and 0 < value <= 1

    @property
    def _allowed(self) -> str:
        return "a ratio above 0 and at most 1"


class Choice(Rule):
    """One of a few words."""

    __slots__ = ("choices",)

    def __init__(self, *, optional: bool = False, choices: tuple[str, ...]) -> None:
        super().__init__(optional=optional)
        self.choices = choices

    def _fits(self, value: object) -> bool:
        return isinstance(value, str) and value in self.choices

    @property
    def _allowed(self) -> str:
        return "one of " + ", ".join(map(repr, self.choices))


class Flag(Rule):
    """Yes or no."""

    __slots__ = ()

    def _fits(self, value: object) -> bool:
        return isinstance(value, bool)

    @property
    def _allowed(self) -> str:
        return "True or False"


class HeaderName(Rule):
    """The name of a header field (RFC 9110, section 5.1)."""

    __slots__ = ("example",)

    def __init__(self, *, optional: bool = False, example: str) -> None:
        super().__init__(optional=optional)
        self.example = example

    def _fits(self, value: object) -> bool:
        return isinstance(value, str) and value != "" and _TOKEN.issuperset(value)

    @property
    def _allowed(self) -> str:
        return f"an HTTP header name such as {self.example!r}"


class Part(Rule):
    """A policy inside another one."""

    __slots__ = ("kind",)

    def __init__(self, *, optional: bool = False, kind: type) -> None:
        super().__init__(optional=optional)
        self.kind = kind

    def _fits(self, value: object) -> bool:
        return isinstance(value, self.kind)

    @property
    def _allowed(self) -> str:
        return f"a {self.kind.__name__}"

    @property
    def allowed(self) -> str:
        """What is allowed, and what None does."""
        return self._allowed + (" or None (None switches it off)" if self.optional else "; it cannot be switched off")


class Strategy(Rule):
    """A tenacity strategy object; only code can give one."""

    __slots__ = ("name",)

    def __init__(self, *, optional: bool = False, name: str) -> None:
        super().__init__(optional=optional)
        self.name = name

    def _fits(self, value: object) -> bool:
        return callable(value)

    @property
    def _allowed(self) -> str:
        return f"a tenacity {self.name} strategy (a callable of RetryCallState)"


def setting(default: Any, rule: Rule, meaning: str) -> Any:
    """Return a policy's field: its default, what it may be, and what it means in a line."""
    return field(default=default, metadata={"rule": rule, "meaning": meaning})


def check(owner: Any) -> None:
    """Check every setting of a policy; raises `ConfigError` naming the first that does not fit."""
    for one in fields(owner):
        value, rule = getattr(owner, one.name), one.metadata["rule"]
        if not rule.fits(value):
            allowed = f"at most {rule.most:g}" if rule.too_large(value) else rule.allowed
            raise ConfigError(
                f"{type(owner).__name__}({one.name}={value!r}): {one.name} must be {allowed}", keys=(one.name,)
            )
