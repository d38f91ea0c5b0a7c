"""The options of a client that may change while it is used: those that a policy file can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from resilient_client.policy import Policy, explicit_total
from resilient_client.wire.options import WireOptions
from resilient_client.wire.requests import RequestOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a client that may change while it is used: those a policy file can give."""

    policy: Policy
    routes: Mapping[str, Policy] | None
    requests: RequestOptions
    wire: WireOptions

    def totals(self) -> list[float]:
        """Return the totals that somebody chose; equal numbers that nobody chose hold otherwise."""
        return [explicit_total(policy) for policy in (self.policy, *(self.routes or {}).values())]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """Return the settings among a client's options; what is left out is as it is by default."""
        wire, requests = (
            {one.name: given[one.name] for one in fields(kind) if one.name in given}
            for kind in (WireOptions, RequestOptions)
        )
        if not isinstance(wire.get("wire"), str):  # an object of one's own stays, whatever changes
            wire.pop("wire", None)
        return cls(given["policy"], given.get("routes"), RequestOptions(**requests), WireOptions(**wire))
