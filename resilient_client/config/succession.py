"""Which state goes over to which settings when a file is read again: old policies, paired with the new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resilient_client.base_client import BaseClient
from resilient_client.config.resolve import ClientSettings
from resilient_client.pipeline.kernels import Kernels
from resilient_client.policy import Policy


@dataclass(slots=True)
class Made:
    """A client that was made here, and what code added to its settings."""

    client: Callable[[], BaseClient | None]
    name: str
    argument: Mapping[str, Any]
    code: Mapping[str, Any]
    before: ClientSettings

    @property
    def fixed(self) -> Policy | None:
        """The policy that code gave in place of all that the file says about policies."""
        return self.code.get("policy")


def successions(ready: list[Any]) -> list[tuple[Kernels, list[Policy], list[Policy]]]:
    """Return whose state goes over from which policies to which, each kernels once: its clients mostly agree."""
    seen: dict[int, tuple[Kernels, list[Policy], list[Policy]]] = {}
    for one, client, settings, _ in ready:
        if one.fixed is None:
            _, before, after = seen.setdefault(id(client.kernels), (client.kernels, [], []))
            pairs = _slots(one.before, settings)
            before += [old for old, _ in pairs]
            after += [new for _, new in pairs]
    return list(seen.values())


def staying(kernels: Kernels, changing: list[BaseClient]) -> list[Policy]:
    """Return the policies of clients that share `kernels` and do not change."""
    users = [user for user in kernels.users() if isinstance(user, BaseClient) and user not in changing]
    return [policy for user in users for policy in user._plan.policies]  # noqa: SLF001 - likewise


def _slots(old: ClientSettings, new: ClientSettings) -> list[tuple[Policy, Policy]]:
    """Pair the policies before with those after: the client's own, and each route's with its successor."""
    routes = {one.route: one.policy for one in new.routes}
    pairs = [(old.policy, new.policy)]
    pairs += [(one.policy, routes.pop(one.route, new.policy)) for one in old.routes]
    return pairs + [(old.policy, policy) for policy in routes.values()]
