"""Declarative policies: what an operator writes in a file, and clients that follow it.

Nothing here is imported before it is asked for: reading a file takes pydantic, which costs half as much to import
as the whole of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resilient_client.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resilient_client.config.policies import Policies
    from resilient_client.config.sources import Source
    from resilient_client.events import Listener


def load_policies(
    source: Source = None,
    *,
    environment: Mapping[str, str] | None = None,
    listeners: Iterable[Listener] = (),
) -> Policies:
    """Read policies from a TOML file, from `[tool.resilient_client]` of a pyproject.toml, or from a dict.

    source: a path, a dict of the same shape, or None: the file that the environment variable RESILIENT_CLIENT_FILE
    names, else resilient-client.toml, else pyproject.toml in the working directory.
    environment: where overrides (RESILIENT_CLIENT__CLIENTS__PAYMENTS__RETRY__MAX_ATTEMPTS=5) and references
    (`${TOKEN}`) are looked up; the process's own by default.
    listeners: functions that are told of `ConfigReloaded` and `ConfigReloadFailed`.

    Needs the extra `config`. Raises `ConfigError` with a report of everything that is wrong; its `problems` are the
    single mistakes.
    """
    try:
        import pydantic  # noqa: F401, PLC0415 - only those who load a file pay for it
    except ImportError:
        raise ConfigError("load_policies() needs pydantic; install resilient-client[config]") from None
    from resilient_client.config.policies import Policies  # noqa: PLC0415

    return Policies(source, environment, tuple(listeners))


def __getattr__(name: str) -> Any:
    if name == "Policies":
        from resilient_client.config.policies import Policies  # noqa: PLC0415

        return Policies
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
