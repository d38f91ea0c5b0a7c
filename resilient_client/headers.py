"""Header fields as a case-insensitive mapping that keeps duplicates and hides secrets in its repr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self, TypeVar, overload

from resilient_client.redact import redact_header

D = TypeVar("D")


class Headers(Mapping[str, str]):
    """Read-only header fields, looked up without regard to case.

    `headers["content-type"]` gives a field's value, several of one name joined by a comma and a space
    (RFC 9110, section 5.3); `get_list(name)` gives them apart, `pairs` all of them as they came.
    """

    __slots__ = ("_pairs", "_raw")

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs: tuple[tuple[str, str], ...] | None = tuple(pairs)
        self._raw: Sequence[tuple[bytes, bytes]] = ()

    @classmethod
    def received(cls, raw: Sequence[tuple[bytes, bytes]]) -> Self:
        """Return fields as they came from a server: most are never looked at, and so not made text before they are."""
        self = cls.__new__(cls)
        self._pairs, self._raw = None, raw
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All fields as they came."""
        if self._pairs is None:
            self._pairs = tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._raw])
        return self._pairs

    def get_list(self, name: str) -> list[str]:
        """Return every value of `name` in the order received; empty when there is none."""
        wanted, size = name.lower(), len(name)
        found: list[str] = []
        if self._pairs is not None:
            for own, value in self._pairs:
                if len(own) == size and own.lower() == wanted:
                    found.append(value)
            return found
        for raw, coded in self._raw:
            if len(raw) == size and raw.lower().decode("latin-1") == wanted:
                found.append(coded.decode("latin-1"))
        return found

    def _by_name(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for name, value in self.pairs:
            index.setdefault(name.lower(), []).append(value)
        return index

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str, /) -> str: ...
    @overload
    def get(self, key: str, default: D, /) -> str | D: ...
    def get(self, key: str, default: object = None, /) -> object:
        """Return the value of `key`, or `default` when there is no such field."""
        values = self.get_list(key)
        return ", ".join(values) if values else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name())

    def __len__(self) -> int:
        return len(self._by_name())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_list(name))

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
