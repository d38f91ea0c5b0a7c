"""Policies as one document again: every value that was given, none that was not, no presets and no overrides left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from resilient_client.config.client_keys import CLIENT_KEYS
from resilient_client.config.forms import OFF
from resilient_client.config.layers import ON, Key, Merged, as_written
from resilient_client.config.resolve import ClientSettings, RouteSettings
from resilient_client.policy import Policy, policy_keys


def document_of(clients: Mapping[str, ClientSettings]) -> dict[str, Any]:
    """Return the document that makes `clients`."""
    return {"clients": {name: _client(settings) for name, settings in clients.items()}}


def _client(settings: ClientSettings) -> dict[str, Any]:
    table = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.options.items()}
    table |= _tables(_given(settings.merged, settings.policy))
    if settings.routes:
        table["routes"] = [_route(settings, one) for one in settings.routes]
    return table


def _given(merged: Merged, policy: Policy) -> dict[Key, Any]:
    """Return the values that were given; a time that gave way to a shorter total as it is now."""
    return {
        key: getattr(policy.timeouts, key[1]) if key[:-1] == ("timeouts",) else found.value
        for key, found in merged.items()
        if key[0] not in CLIENT_KEYS
    }


def _route(settings: ClientSettings, route: RouteSettings) -> dict[str, Any]:
    return {"match": str(route.route), **_tables(_difference(settings, route))}


def _difference(settings: ClientSettings, route: RouteSettings) -> dict[Key, Any]:
    """Return what a route says otherwise than its client; a value that it has lost is written with what holds."""
    below, above = _given(settings.merged, settings.policy), _given(route.merged, route.policy)
    differs = {key: value for key, value in above.items() if key not in below or below[key] != value}
    for key, value in below.items():
        holds = None if key in above else _holding(route.policy, key)
        if holds is not None and not (holds[0] == value == ON):
            differs[key] = holds[0]
    return differs


def _holding(policy: Policy, key: Key) -> tuple[Any] | None:
    """Return the value at `key`, in a tuple since it may be None; None when a table around it is off."""
    part: Any = policy
    for name in key:
        if part is None:
            return None
        part = getattr(part, name)
    return (ON if is_dataclass(part) else part,)


def _tables(values: Mapping[Key, Any]) -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for key, _ in policy_keys():
        if key not in values:
            continue
        inside = tables
        for name in key[:-1]:
            inside = inside.setdefault(name, {})
        value = values[key]
        inside[key[-1]] = {} if value == ON else OFF if value is None else as_written(key, value)
    return tables
