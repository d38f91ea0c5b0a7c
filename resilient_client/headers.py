"""Header fields as a case-insensitive mapping that keeps duplicates and hides secrets in its repr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, overload

from resilient_client.redact import redact_header

D = TypeVar("D")


class Headers(Mapping[str, str]):
    """Read-only header fields, looked up without regard to case.

    `headers["content-type"]` gives a field's value, several of one name joined by a comma and a space
    (RFC 9110, section 5.3); `get_list(name)` gives them apart, `pairs` all of them as they came.
    """

    __slots__ = ("_index", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs: tuple[tuple[str, str], ...] = tuple(pairs)
        self._index: dict[str, list[str]] | None = None

    def _by_name(self) -> dict[str, list[str]]:
        if self._index is None:
            index: dict[str, list[str]] = {}
            for name, value in self.pairs:
                index.setdefault(name.lower(), []).append(value)
            self._index = index
        return self._index

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._by_name()[name.lower()])

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str, /) -> str: ...
    @overload
    def get(self, key: str, default: D, /) -> str | D: ...
    def get(self, key: str, default: object = None, /) -> object:
        """Return the value of `key`, or `default` when there is no such field."""
        values = self._by_name().get(key.lower())
        return default if values is None else ", ".join(values)

    def get_list(self, name: str) -> list[str]:
        """Return every value of `name` in the order received; empty when there is none."""
        return list(self._by_name().get(name.lower(), ()))

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name())

    def __len__(self) -> int:
        return len(self._by_name())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._by_name() == other._by_name()

    def __hash__(self) -> int:
        return hash(tuple(sorted((name.lower(), value) for name, value in self.pairs)))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {redact_header(name, value)}" for name, value in self.pairs)
        return f"Headers({shown})"

    def __reduce__(self) -> tuple[type[Headers], tuple[tuple[tuple[str, str], ...]]]:
        return Headers, (self.pairs,)
