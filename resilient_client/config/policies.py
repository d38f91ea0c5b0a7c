"""The policies of a file: clients made from it, and the file read again while they are used.

Clients of one name share circuits, permits and budget. When the file is read again every client goes over to the new
settings at once, between two calls; a file that is wrong changes nothing.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from resilient_client.async_client import AsyncClient
from resilient_client.base_client import BaseClient
from resilient_client.client import Client
from resilient_client.config.dump import document_of
from resilient_client.config.explanation import Explanation, explained
from resilient_client.config.references import referring, resolved
from resilient_client.config.report import did_you_mean
from resilient_client.config.resolve import ClientSettings, Resolver
from resilient_client.config.sources import Source, digest_of, locate, read
from resilient_client.config.succession import Made, staying, successions
from resilient_client.errors import ConfigError
from resilient_client.events import ConfigReloaded, ConfigReloadFailed, Listener, checked_listeners, tell
from resilient_client.forking import on_fork
from resilient_client.pipeline.kernels import Kernels
from resilient_client.policy import Policy
from resilient_client.telemetry import of_configuration
from resilient_client.wire.requests import check_method

if TYPE_CHECKING:
    from resilient_client.config.watching import Watch

C = TypeVar("C", bound=BaseClient)

TABLES: Final = frozenset(("extends", *Policy.__dataclass_fields__))
"""What code can give in the form of the file, to stand above it; everything else is the client's own option."""

OF_THE_WIRE: Final = frozenset(("verify", "cert", "proxy", "uds", "http2", "local_address", "trust_env", "wire"))
"""How to get there; not the file's to say when code brings another transport."""


class Turn:
    """The lock under which clients are made and the file is read again; a new one in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def after_fork(self) -> None:
        """Start a new lock: another thread of the parent may have held the old one."""
        self.lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one reading of the file and the environment came to."""

    resolver: Resolver
    clients: Mapping[str, ClientSettings]
    digest: bytes


class Policies:
    """The clients that a policy file describes; made by `load_policies`. Compares by what the file comes to."""

    def __init__(self, source: Source, environment: Mapping[str, str] | None, listeners: tuple[Listener, ...]) -> None:
        self._environment = os.environ if environment is None else environment
        located = locate(source, self._environment)
        self._label = "a dict" if isinstance(located, Mapping) else str(located)
        self._source = located if isinstance(located, Mapping) else located.absolute()
        self._heard = of_configuration(checked_listeners(listeners))
        self._turn = on_fork(Turn())
        self._made: list[Made] = []
        self._kernels: dict[str, Kernels] = {}
        self._now = self._read()

    @property
    def source(self) -> str:
        """The path of the file, or `a dict`."""
        return self._label

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the clients, in the order of the file."""
        return tuple(self._now.clients)

    @property
    def digest(self) -> bytes:
        """What stands for the content of the file that holds now; a watch compares it with what is there."""
        return self._now.digest

    def _read(self) -> Snapshot:
        document = read(self._source, self.source)
        resolver = Resolver(document, self._environment)
        return Snapshot(resolver, resolver.settings(), digest_of(document.text))

    def _settings(self, name: str, snapshot: Snapshot | None = None) -> ClientSettings:
        clients = (snapshot or self._now).clients
        if name not in clients:
            hint = did_you_mean(name, clients) or f"; there are {', '.join(clients) or 'none'}"
            raise ConfigError(f"there is no client {name!r} in {self.source}{hint}")
        return clients[name]

    # Making clients.

    def client(self, name: str, **overrides: Any) -> Client:
        """Return a blocking client with the settings of `name`.

        overrides: any option of `Client`, and any policy in the form of the file (`timeouts={"total": "2s"}`,
        `breaker="off"`, `extends="batch"`). They stand above the file and the environment, also when the file is read
        again; `policy=` stands in place of all policies and routes. Raises `ConfigError` for a name that the file does
        not have and for a wrong override.
        """
        return self._make(Client, name, overrides)

    def async_client(self, name: str, **overrides: Any) -> AsyncClient:
        """Return an asynchronous client with the settings of `name`; see `client`."""
        return self._make(AsyncClient, name, overrides)

    def _make(self, facade: Callable[..., C], name: str, overrides: Mapping[str, Any]) -> C:
        argument = {key: value for key, value in overrides.items() if key in TABLES}
        code = {key: value for key, value in overrides.items() if key not in TABLES}
        for key in ("policy", "kernels"):  # for these two, None is as good as left out
            if code.get(key) is None:
                code.pop(key, None)
        if "policy" in code and argument:
            raise ConfigError(f"policy= and {min(argument)}= were both given; the policy says all of it already")
        with self._turn.lock:
            settings = self._settings(name)
            if argument:
                settings = self._now.resolver.with_argument(name, argument)
            made = Made(_nobody, name, argument, code, settings)
            code.setdefault("kernels", self._kernels.setdefault(name, Kernels(settings.policy)))
            client = facade(name, **self._options(made, settings, asynchronous=facade is AsyncClient))
            made.client = weakref.ref(client)
            self._made = [one for one in self._made if one.client() is not None]
            self._made.append(made)
        return client

    def _options(self, made: Made, settings: ClientSettings, *, asynchronous: bool) -> dict[str, Any]:
        """Return the options of a client: those of the file, and on top of them those of code."""
        options = dict(settings.options)
        if not asynchronous:
            options.pop("http2", None)
        wire = made.code.get("wire")
        if made.code.get("transport") is not None or not (wire is None or isinstance(wire, str)):
            options = {key: value for key, value in options.items() if key not in OF_THE_WIRE}
        if "proxy" in options:
            options["proxy"] = self._resolved(made.name, "proxy", options["proxy"])
        if isinstance(options.get("cert"), tuple):
            options["cert"] = tuple(self._resolved(made.name, "cert", part) for part in options["cert"])
        headers = [(name, referring(text, self._environment)) for name, text in options.pop("headers", {}).items()]
        given = made.code.get("headers")
        pairs = list(given.items() if isinstance(given, Mapping) else given or ())
        names = {str(pair[0]).lower() for pair in pairs if pair}
        options["headers"] = [*(pair for pair in headers if pair[0].lower() not in names), *pairs]
        options["policy"] = settings.policy
        options["routes"] = _routes(settings) if made.fixed is None else None
        return {**options, **made.code, "headers": options["headers"]}

    def _resolved(self, name: str, key: str, text: str) -> str:
        try:
            return resolved(text, self._environment)
        except ConfigError as problem:
            raise ConfigError(f"clients.{name}.{key}: {problem}") from None

    # Asking.

    def policy(self, name: str, method: str | None = None, path: str | None = None) -> Policy:
        """Return the policy of a client, or of its calls to `path` with `method`."""
        settings = self._settings(name)
        found = _match(settings, method, path)
        return settings.policy if found is None else found.policy

    def explain(
        self,
        name: str,
        method: str | None = None,
        path: str | None = None,
        *,
        changes: Mapping[str, Any] | None = None,
    ) -> Explanation:
        """Return the effective values of a client, or of its calls to `path`, each with where it came from.

        changes: values in the form of the file, such as `{"timeouts": {"total": "2s"}}`, to see what they would do on
        top of file and environment. Raises `ConfigError` for a name that the file does not have and for wrong changes.
        """
        with self._turn.lock:
            settings = self._settings(name)
            if changes:
                settings = self._now.resolver.with_argument(name, changes)
        return explained(settings, _match(settings, method, path))

    def dump(self) -> dict[str, Any]:
        """Return everything as one document without presets and overrides; loading it gives equal policies.

        References to the environment stay references. The values are those of a TOML file.
        """
        return document_of(self._now.clients)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Policies):
            return NotImplemented
        return dict(self._now.clients) == dict(other._now.clients)

    def __hash__(self) -> int:
        raise TypeError("policies have no hash: what they say changes with their file")

    def __repr__(self) -> str:
        return f"<Policies from {self.source}: {', '.join(self.names) or 'no clients'}>"

    # Reading the file again.

    def reload(self) -> tuple[str, ...]:
        """Read file and environment again and go over to what they say; return the clients that changed.

        Calls under way keep their settings. Circuits and budgets keep their state unless their own table changed, a
        bulkhead keeps its permits and grows or shrinks. Raises `ConfigError` when something is wrong, and then nothing
        has changed. Either way the listeners are told.
        """
        try:
            with self._turn.lock:
                changed = self._replace(self._read())
        except ConfigError as error:
            tell(self._heard, ConfigReloadFailed(self.source, error))
            raise
        tell(self._heard, ConfigReloaded(self.source, changed))
        return changed

    def _replace(self, snapshot: Snapshot) -> tuple[str, ...]:
        alive = [(one, client) for one in self._made if (client := one.client()) is not None and not client.closed]
        coming = [(one, client, self._coming(one, snapshot)) for one, client in alive]
        prepared = [(one, client, settings, self._prepared(one, client, settings)) for one, client, settings in coming]
        ready = [(one, client, settings, go_over) for one, client, settings, go_over in prepared if go_over is not None]
        for kernels, before, after in successions(ready):
            kernels.succeed(before, after, staying(kernels, [client for one, client, *_ in ready if one.fixed is None]))
        for one, _, settings, go_over in ready:
            go_over()
            one.before = settings
        old, self._now = self._now, snapshot
        self._made = [one for one, _ in alive]
        names = {**old.clients, **snapshot.clients}
        went = {one.name for one, *_ in ready}
        return tuple(name for name in names if name in went or old.clients.get(name) != snapshot.clients.get(name))

    def _coming(self, made: Made, snapshot: Snapshot) -> ClientSettings:
        if made.name not in snapshot.clients:
            raise ConfigError(f"{self.source}: the client {made.name!r} is gone, and it is in use; keep it")
        if made.argument:
            return snapshot.resolver.with_argument(made.name, made.argument)
        return snapshot.clients[made.name]

    def _prepared(self, made: Made, client: BaseClient, settings: ClientSettings) -> Callable[[], None] | None:
        options = self._options(made, settings, asynchronous=isinstance(client, AsyncClient))
        try:
            return client._prepare(options)  # noqa: SLF001 - the two are made for each other
        except ConfigError:
            raise
        except (ValueError, TypeError) as problem:  # a header, say, whose value cannot be sent
            raise ConfigError(f"clients.{made.name}: {problem}") from problem

    def watch(self) -> Watch:
        """Read the file again whenever it changes, in a thread of its own, until the watch is stopped.

        `with policies.watch():`, or `stop()` what it returns. A file that is wrong changes nothing and is told to the
        listeners. Needs the extra `watch`; raises `ConfigError` without it, and for a dict.
        """
        from resilient_client.config.watching import Watch  # noqa: PLC0415 - needs the extra

        if isinstance(self._source, Mapping):
            raise ConfigError("watch(): these policies come from a dict, and there is no file to watch")
        return Watch(self, self._source)


def _nobody() -> None:
    """Stand for a client that is not made yet."""


def _routes(settings: ClientSettings) -> dict[str, Policy] | None:
    return {str(one.route): one.policy for one in settings.routes} or None


def _match(settings: ClientSettings, method: str | None, path: str | None) -> Any:
    if method is None and path is None:
        return None
    if method is None or path is None or not path.startswith("/"):
        raise ConfigError(f"{method!r}, {path!r}: give a method and a path that starts with a slash, or neither")
    found = settings.table.match(check_method(method), path.partition("?")[0])
    return None if found is None else found[1]
