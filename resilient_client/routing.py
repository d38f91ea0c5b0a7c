"""Routes: which of a client's calls have a policy of their own, told by method and URL template.

`POST /charges/{id}` matches a method and a path, `/charges/{id}` any method. A segment is a literal, `{name}` (one
segment that is not empty) or, at the end, `{name:path}` (one or more segments). Of two routes that match one request
the more specific wins: the one whose requests are all matched by the other, too. Two that overlap and are neither are a
mistake, as in Go's `http.ServeMux` (1.22).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote

from resilient_client.errors import ConfigError

V = TypeVar("V")


class Slot(Enum):
    """A segment that is not a literal."""

    ONE = "{}"
    REST = "{:path}"


Segment = str | Slot

_SLOT: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*(:path)?\}")
_METHOD: Final = re.compile(r"[A-Z][A-Z-]*")


@dataclass(frozen=True, slots=True)
class Route:
    """A method, or None for any, and a template."""

    method: str | None
    template: str
    segments: tuple[Segment, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Route:
        """Return the route of `POST /charges/{id}`; raises `ConfigError` for one that cannot match anything."""
        first, space, rest = text.strip().partition(" ")
        method, template = (first.upper(), rest.strip()) if space else (None, first)
        if method is not None and (not _METHOD.fullmatch(method) or method == "CONNECT"):
            raise ConfigError(f"{text!r}: {first!r} is no method that a call can have")
        if not template.startswith("/"):
            raise ConfigError(f"{text!r}: write it as 'POST /charges/{{id}}', or '/charges/{{id}}' for any method")
        if re.search(r"[?#\s]", template):
            raise ConfigError(f"{text!r}: a route has a path and nothing behind it; it would never match")
        return cls(method, template, tuple(_segments(text, template)))

    def __str__(self) -> str:
        return self.template if self.method is None else f"{self.method} {self.template}"

    def covers(self, other: Route) -> bool:
        """Return whether it matches every request that `other` matches."""
        return self.method in {None, other.method} and _covers(self.segments, other.segments)

    def overlaps(self, other: Route) -> bool:
        """Return whether some request is matched by both."""
        if self.method is not None and other.method is not None and self.method != other.method:
            return False
        return _overlap(self.segments, other.segments)


def _segments(text: str, template: str) -> Iterator[Segment]:
    parts = template[1:].split("/")
    for number, part in enumerate(parts, 1):
        slot = _SLOT.fullmatch(part)
        if slot is not None:
            if slot[1] and number < len(parts):
                raise ConfigError(f"{text!r}: {part} takes all that follows, so it must be the last segment")
            yield Slot.REST if slot[1] else Slot.ONE
        elif "{" in part or "}" in part:
            raise ConfigError(f"{text!r}: {part!r} is no segment; write a literal, {{name}} or, last, {{name:path}}")
        elif part in {".", ".."}:
            raise ConfigError(f"{text!r}: a path has no segment {part!r} when it is called; it would never match")
        else:
            yield unquote(part)


def _covers(wide: tuple[Segment, ...], narrow: tuple[Segment, ...]) -> bool:
    for position, segment in enumerate(wide):
        if segment is Slot.REST:
            return len(narrow) > position
        if position >= len(narrow) or narrow[position] is Slot.REST:
            return False
        if segment is Slot.ONE and narrow[position] == "":
            return False
        if segment is not Slot.ONE and segment != narrow[position]:
            return False
    return len(wide) == len(narrow)


def _overlap(one: tuple[Segment, ...], other: tuple[Segment, ...]) -> bool:
    for a, b in zip(one, other, strict=False):
        if Slot.REST in {a, b}:
            return True
        if isinstance(a, str) and isinstance(b, str):
            if a != b:
                return False
        elif "" in {a, b}:
            return False
    return len(one) == len(other)


@dataclass(slots=True)
class _Node(Generic[V]):
    literals: dict[str, _Node[V]] = field(default_factory=dict)
    one: _Node[V] | None = None
    rest: dict[str | None, tuple[Route, V]] = field(default_factory=dict)
    here: dict[str | None, tuple[Route, V]] = field(default_factory=dict)


class RouteTable(Generic[V]):
    """Routes and what belongs to each; the most specific one that matches is found."""

    def __init__(self, entries: Iterable[tuple[Route, V]]) -> None:
        """Make the table; raises `ConfigError` when two routes are the same or neither is more specific."""
        self.entries = tuple(entries)
        clash = next(clashes(route for route, _ in self.entries), None)
        if clash is not None:
            raise ConfigError(f"routes: {clash[0]} and {clash[1]}: {clash_told(*clash)}")
        self._root: _Node[V] = _Node()
        for route, value in self.entries:
            _insert(self._root, route, value)

    def match(self, method: str, path: str) -> tuple[Route, V] | None:
        """Return the route of a request and its value; `path` starts with a slash and has no query."""
        segments = path[1:].split("/")
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        return _find(self._root, method, segments, 0)


def _insert(node: _Node[V], route: Route, value: V) -> None:
    for segment in route.segments:
        if segment is Slot.REST:
            node.rest[route.method] = (route, value)
            return
        if segment is Slot.ONE:
            node.one = node.one or _Node()
            node = node.one
        else:
            assert isinstance(segment, str)  # noqa: S101 - the third kind of three
            node = node.literals.setdefault(segment, _Node())
    node.here[route.method] = (route, value)


def _find(node: _Node[V], method: str, segments: list[str], at: int) -> tuple[Route, V] | None:
    """Literals first: of two routes that both match, the one with the literal is the more specific one."""
    if at == len(segments):
        return node.here.get(method) or node.here.get(None)
    segment = segments[at]
    found = None
    literal = node.literals.get(segment)
    if literal is not None:
        found = _find(literal, method, segments, at + 1)
    if found is None and node.one is not None and segment:
        found = _find(node.one, method, segments, at + 1)
    return found or node.rest.get(method) or node.rest.get(None)


def clashes(routes: Iterable[Route]) -> Iterator[tuple[Route, Route]]:
    """Yield the pairs of routes of which one would have to win and neither is more specific."""
    root: _Node[None] = _Node()
    for route in routes:
        for earlier in _alike(root, route.segments, 0):
            if earlier.overlaps(route) and earlier.covers(route) == route.covers(earlier):
                yield earlier, route
        _insert(root, route, None)


def _alike(node: _Node[Any], segments: tuple[Segment, ...], at: int) -> Iterator[Route]:
    """Yield the routes below `node` whose paths can be those of `segments`, whatever their methods."""
    if at == len(segments):
        yield from (route for route, _ in node.here.values())
        return
    yield from (route for route, _ in node.rest.values())
    segment = segments[at]
    if segment is Slot.REST:
        yield from _everything_below(node)
    elif segment is Slot.ONE:
        for literal, inner in node.literals.items():
            if literal:
                yield from _alike(inner, segments, at + 1)
    elif segment in node.literals:
        assert isinstance(segment, str)  # noqa: S101 - the third kind of three
        yield from _alike(node.literals[segment], segments, at + 1)
    if node.one is not None and segment not in {"", Slot.REST}:
        yield from _alike(node.one, segments, at + 1)


def _everything_below(node: _Node[Any]) -> Iterator[Route]:
    for inner in (*node.literals.values(), *([node.one] if node.one is not None else [])):
        yield from (route for route, _ in (*inner.here.values(), *inner.rest.values()))
        yield from _everything_below(inner)


def clash_told(one: Route, other: Route) -> str:
    """Return what is wrong with two routes that clash."""
    if one.covers(other):
        return "they match the same requests, so the second can never match"
    return "some requests match both and neither is more specific; make one of them so, or give them one method each"
