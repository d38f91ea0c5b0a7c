"""From a document and the environment to the settings of every client, or to a report of everything that is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from resilient_client.config.client_checks import check_client
from resilient_client.config.client_keys import CLIENT_KEYS
from resilient_client.config.crosschecks import contradictions, never_open
from resilient_client.config.environment import overrides_of
from resilient_client.config.forms import shown
from resilient_client.config.layers import BUILT_IN, Found, Layer, Merged, merge, policy_of
from resilient_client.config.pruning import without
from resilient_client.config.report import Path, did_you_mean, dotted, listed, of_validation, raise_if_any
from resilient_client.config.schema import ClientModel, FileModel
from resilient_client.config.sources import Document
from resilient_client.errors import Problem
from resilient_client.policy import Policy, explicit_total
from resilient_client.routing import Route, RouteTable, clash_told, clashes

MOST_CLASHES: Final = 20
"""Pairs of routes of one client that are told; who has more of them has one mistake."""

DEEPEST: Final = 32
"""Presets on top of each other."""

STANDARD: Final = "standard"


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One route of a client: what it matches, its values and the policy they make."""

    route: Route
    merged: Merged = field(compare=False, repr=False)
    policy: Policy


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One client: its values, and what they make. Compares by what they make.

    `totals` are those that somebody chose, of the client and of each route: equal numbers that nobody chose are not the
    same, since a call may not lengthen the one and may lengthen the other.
    """

    name: str
    policy: Policy
    routes: tuple[RouteSettings, ...]
    options: Mapping[str, Any]
    totals: tuple[float, ...]
    merged: Merged = field(compare=False, repr=False)
    table: RouteTable[RouteSettings] = field(compare=False, repr=False)


@cache
def built_in() -> Mapping[str, Layer]:
    """Return the built-in presets; their file is checked like anybody's."""
    text = files("resilient_client.config").joinpath("presets.toml").read_text(encoding="utf-8")
    document = Document(tomllib.loads(text), BUILT_IN, text)
    values = FileModel.model_validate(document.values).model_dump(exclude_unset=True)["presets"]
    return {
        name: Layer("preset", name, preset, ("presets", name), lambda _: BUILT_IN) for name, preset in values.items()
    }


class Resolver:
    """The layers of one document and one environment, and the clients they make."""

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        """Validate everything by itself; raises `ConfigError` only from `settings`, with all that is wrong."""
        self._document = document
        self._problems: list[Problem] = []
        self._values = self._validated(FileModel, document.values, (), document.where)
        self._presets = self._values.get("presets", {})
        self._clients = self._values.get("clients", {})
        self._overrides = overrides_of(environment, {**built_in(), **self._presets}, self._clients)
        self._problems += self._overrides.problems
        self._above = self._validated(FileModel, self._overrides.values, (), self._overrides.where)
        self._lineages: dict[str, list[Layer]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The clients there are."""
        return tuple(self._clients)

    def settings(self) -> dict[str, ClientSettings]:
        """Return every client's settings; raises one `ConfigError` with everything that is wrong."""
        for name in self._presets:
            if name in built_in():
                self._say(("presets", name), f"is built in; choose another name, and write extends = {name!r} in it")
            self._sound(merge(self._lineage(name, ("presets", name, "extends"))))
        for name in self._above.get("presets", {}):
            self._say_in_vain("presets", name, merge(self._lineage(name, ())))
        settings = [self._client(name, None) for name in self._clients]
        raise_if_any(self._problems, self._document.label)
        return {one.name: one for one in settings if one is not None}

    def with_argument(self, name: str, argument: Mapping[str, Any]) -> ClientSettings:
        """Return the settings of one client under what code adds to it; raises `ConfigError`."""
        before, self._problems = self._problems, []
        try:
            values = self._validated(ClientModel, argument, ("clients", name), lambda _: "")
            layer = Layer("argument", "", values, ("clients", name), lambda _: "")
            settings = self._client(name, layer)
            raise_if_any(self._problems, f"the arguments of the client {name!r}")
        finally:
            self._problems = before
        assert settings is not None  # noqa: S101 - without problems there are settings
        return settings

    # Each by itself.

    def _validated(
        self, model: type[BaseModel], values: Mapping[str, Any], at: Path, where: Callable[[Path], str]
    ) -> dict[str, Any]:
        """Return what is valid of `values`; what is not goes on record and is left out, so that the rest is checked."""
        given: Any = values
        try:
            return model.model_validate(given).model_dump(exclude_unset=True)
        except ValidationError as error:
            wrong = list(of_validation(error, at, where))
        except Exception as problem:  # noqa: BLE001 - a dict of code may hold anything
            self._problems.append(Problem(where(at), dotted(at) or "everything", f"cannot be read: {problem!r}"))
            return {}
        self._problems += [problem for _, problem in wrong]
        try:
            rest = without(given, [path[len(at) :] for path, _ in wrong])
            return model.model_validate(rest).model_dump(exclude_unset=True)
        except Exception:  # noqa: BLE001 - likewise; what is wrong with it was told
            return {}

    def _say(self, path: Path, said: str, found: object = None) -> None:
        value = "" if found is None else shown(found)
        self._problems.append(Problem(self._document.where(path), dotted(path), said, value))

    def _environment(self, values: Mapping[str, Any], at: Path) -> Layer:
        """Return what variables say: one that sets a single key leaves a table off that is off."""
        whole = {tuple(map(str, path[len(at) :])) for path in self._overrides.variables if path[: len(at)] == at}
        return Layer("environment", "", values, at, self._overrides.where, frozenset(whole))

    # Presets.

    def _lineage(self, name: str, asked: Path) -> list[Layer]:
        """Return the layers of a preset, the one that extends nothing first; what is wrong with them goes on record.

        Remembered only when nothing is: whoever asks for one that is wrong is told so.
        """
        chain: list[str] = []
        asking, following = asked, name
        layers: list[Layer] = []
        while following not in self._lineages:
            wrong = self._wrong_step(following, chain)
            if wrong:
                if not chain or following not in chain or following == name == min(chain):  # a circle is told once
                    self._say(asking, wrong, following)
                return layers
            chain.append(following)
            own, extended = self._preset(following)
            layers[:0] = own
            asking = ("presets", following, "extends")
            if extended is None:
                self._lineages[name] = layers
                return layers
            following = extended
        self._lineages[name] = [*self._lineages[following], *layers]
        return self._lineages[name]

    def _wrong_step(self, name: str, chain: list[str]) -> str:
        """Return what is wrong with going on to the preset `name`, or nothing."""
        if name in chain:
            return f"presets extend each other in a circle: {' -> '.join([*chain[chain.index(name) :], name])}"
        if len(chain) >= DEEPEST:
            return f"presets extend each other more than {DEEPEST} deep"
        if name in built_in() or name in self._presets:
            return ""
        there = {**built_in(), **self._presets}
        return f"there is no such preset{did_you_mean(name, there) or listed('; there are', there)}"

    def _preset(self, name: str) -> tuple[list[Layer], str | None]:
        above = self._above.get("presets", {}).get(name)
        over = [self._environment(above, ("presets", name))] if above else []
        if name in built_in():
            return [built_in()[name], *over], None
        values = self._presets[name]
        layer = Layer("preset", name, values, ("presets", name), self._document.where)
        return [layer, *over], (above or {}).get("extends", values.get("extends"))

    # Clients.

    def _client(self, name: str, argument: Layer | None) -> ClientSettings | None:
        at: Path = ("clients", name)
        values = self._clients[name]
        if not name or "://" in name:
            self._say(at, "is no name for a client; give the one that its operators know, such as orders")
        above = self._above.get("clients", {}).get(name)
        top = [self._environment(above, at)] if above else []
        top += [argument] if argument is not None else []
        extends = next((one.values["extends"] for one in reversed(top) if "extends" in one.values), None)
        base = self._lineage(extends or values.get("extends", STANDARD), (*at, "extends"))
        base = [*base, Layer("client", name, values, at, self._document.where)]
        merged = merge([*base, *top])
        if argument is None:
            self._say_in_vain("clients", name, merged)
        self._problems += check_client(merged, from_file=bool(self._document.label))
        problems = len(self._problems)
        sound = self._sound(merged)
        routes = tuple(self._routes(at, values.get("routes", []), base, top))
        if not sound:
            return None
        policy = policy_of(merged)
        self._problems += never_open([(merged, policy), *((one.merged, one.policy) for one in routes)])
        totals = tuple(map(explicit_total, [policy, *(one.policy for one in routes)]))
        table = RouteTable((one.route, one) for one in routes) if len(self._problems) == problems else RouteTable([])
        return ClientSettings(name, policy, routes, _options(merged), totals, merged, table)

    def _say_in_vain(self, group: str, name: str, merged: Merged) -> None:
        """Note variables for something that is off: they would be without effect, and nobody would know."""
        for path, variable in self._overrides.variables.items():
            key = tuple(map(str, path[2:]))
            table = next((key[:length] for length in range(1, len(key)) if off(merged.get(key[:length]))), None)
            if path[:2] == (group, name) and table is not None:
                where = merged[table].origin
                said = f'"{".".join(table)}" is off ({where}); switch it on in the file, or set the table as a whole'
                self._problems.append(Problem(variable, dotted(path), said))

    def _sound(self, merged: Merged) -> bool:
        """Return whether values go together; what does not goes on record."""
        found = list(contradictions(merged))
        self._problems += found
        return not found

    def _routes(self, at: Path, tables: list[Any], base: list[Layer], top: list[Layer]) -> Iterator[RouteSettings]:
        routes: dict[Route, Path] = {}
        pending: list[tuple[Route, Merged]] = []
        for number, values in enumerate(tables):
            here: Path = (*at, "routes", number)
            route = Route.parse(values["match"])
            presets = self._lineage(values["extends"], (*here, "extends")) if "extends" in values else []
            own = Layer("route", str(route), values, here, self._document.where)
            merged = merge([*base, *presets, own, *top])
            sound = self._sound(merged)
            if route in routes:
                first = self._document.where((*routes[route], "match")) or dotted(routes[route])
                self._say((*here, "match"), f"is the same as {first}, so it can never match", str(route))
                continue
            routes[route] = here
            if sound:
                pending.append((route, merged))
        for one, other in islice(clashes(list(routes)), MOST_CLASHES):
            first = self._document.where((*routes[one], "match")) or dotted(routes[one])
            said = f"with {str(one)!r} ({first}): {clash_told(one, other)}"
            self._say((*routes[other], "match"), said, str(other))
        for route, merged in pending:
            yield RouteSettings(route, merged, policy_of(merged))


def _options(merged: Merged) -> dict[str, Any]:
    """Return the values of a client that are no policy, as its class takes them."""
    options: dict[str, Any] = {
        key[0]: found.value for key, found in merged.items() if key[0] in CLIENT_KEYS and len(key) == 1
    }
    headers = {key[1]: found.value for key, found in merged.items() if key[0] == "headers" and len(key) == 2}
    if headers or "headers" in options:
        options["headers"] = headers
    if isinstance(options.get("cert"), list):
        options["cert"] = tuple(options["cert"])
    return options


def off(found: Found | None) -> bool:
    """Return whether what was found is a table that is off."""
    return found is not None and found.value is None
