"""What is told: typed events, each a frozen value, and how they reach whoever listens.

A listener is a function of one event. One that raises is logged once and never changes what happens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from resilient_client.errors import ConfigError

log: Final = logging.getLogger("resilient_client")


@dataclass(frozen=True, slots=True)
class ConfigReloaded:
    """A policy file was read again and holds now. `clients` are those whose settings changed."""

    source: str
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigReloadFailed:
    """A policy file was read again and is wrong; what held before still holds."""

    source: str
    error: ConfigError


Event: TypeAlias = ConfigReloaded | ConfigReloadFailed
"""Everything that is told."""

Listener: TypeAlias = Callable[[Event], object]


def tell(listeners: Iterable[Listener], event: Event) -> None:
    """Tell every listener; one that raises is logged and stops nobody."""
    for listener in listeners:
        try:
            listener(event)
        except Exception:
            log.exception("a listener raised on %s: %r", type(event).__name__, listener)
