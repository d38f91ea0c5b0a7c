"""What a client's calls are made from at one moment: policies, routes, request defaults.

A plan is swapped whole and its settings never change, so that a call sees one of them from its start to its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Final

from resilient_client.backends import Backend
from resilient_client.errors import ConfigError
from resilient_client.exchange import Url
from resilient_client.pipeline import Kernels, Pipeline, assemble
from resilient_client.pipeline.attempt import Send
from resilient_client.policy import Default, Policy
from resilient_client.routing import Route, RouteTable
from resilient_client.wire.requests import RequestBuilder

MAX_PIPELINES: Final = 64
"""Assembled pipelines kept for policies of single calls; more policies than that are assembled anew each time."""


class Plan:
    """One client's settings, with a pipeline ready for each of its policies."""

    def __init__(
        self,
        policy: Policy,
        routes: RouteTable[Policy] | None,
        requests: RequestBuilder,
        kernels: Kernels,
        backend: Backend,
        send: Send,
    ) -> None:
        self.policy = policy
        self.routes = routes
        self.requests = requests
        self._kernels = kernels
        self._backend = backend
        self._send = send
        self._pipelines: dict[Policy, Pipeline] = {}
        self._room = MAX_PIPELINES + len(self.policies)
        for one in self.policies:
            self.pipeline(one)

    @property
    def policies(self) -> list[Policy]:
        """The client's policy and those of its routes."""
        return [self.policy, *(policy for _, policy in self.routes.entries)] if self.routes else [self.policy]

    def choose(self, method: str, url: Url) -> tuple[str | None, Policy]:
        """Return the template of the route that a request matches, if any, and the policy it has."""
        if self.routes is None:
            return None, self.policy
        path = self.requests.base.path_inside(url)
        found = None if path is None else self.routes.match(method, path)
        return (None, self.policy) if found is None else (found[0].template, found[1])

    def pipeline(self, policy: Policy) -> Pipeline:
        """Return the pipeline of `policy`."""
        pipeline = self._pipelines.get(policy)
        if pipeline is None:
            pipeline = assemble(policy, self._kernels, self._backend, self._send)
            if len(self._pipelines) < self._room:
                self._pipelines[policy] = pipeline
        return pipeline


def explicit_total(policy: Policy) -> float:
    """Return the `total` that somebody chose, which a single call may shorten and not lengthen."""
    total = policy.timeouts.total
    return inf if total is None or isinstance(total, Default) else total


def route_table(routes: Mapping[str, Policy] | None) -> RouteTable[Policy] | None:
    """Return the table of `routes=`; raises `ConfigError` or `TypeError`."""
    if not routes:
        return None
    if not isinstance(routes, Mapping):
        raise TypeError(f"routes={type(routes).__name__}: give a mapping from 'POST /charges/{{id}}' to a Policy")
    entries: list[tuple[Route, Policy]] = []
    for text, policy in routes.items():
        given: Any = policy
        if not isinstance(given, Policy):
            raise TypeError(f"routes[{text!r}]={given!r}: give a Policy")
        try:
            entries.append((Route.parse(text), policy))
        except ConfigError as problem:
            raise ConfigError(f"routes: {problem}") from None
    return RouteTable(entries)
