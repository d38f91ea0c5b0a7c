"""What a client's calls are made from at one moment: policies, routes, request defaults.

A plan is swapped whole and its settings never change, so that a call sees one of them from its start to its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from resilient_client.backends import Backend
from resilient_client.errors import ConfigError
from resilient_client.exchange import Url
from resilient_client.pipeline import assemble
from resilient_client.pipeline.attempt import Send
from resilient_client.pipeline.kernels import Kernels
from resilient_client.pipeline.observe import Pipeline
from resilient_client.policy import Policy
from resilient_client.wire.requests import RequestBuilder

if TYPE_CHECKING:
    from resilient_client.routing import Route, RouteTable

MAX_PIPELINES: Final = 64
"""Assembled pipelines kept for policies of single calls; more policies than that are assembled anew each time."""


class Choice(NamedTuple):
    """What holds for one request: the template of its route, if it has one, its policy and the pipeline of that."""

    template: str | None
    policy: Policy
    pipeline: Pipeline


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
        self._others: dict[Policy, Pipeline] = {}
        kernels.reserve("", policy)
        for route, of_route in routes.entries if routes else ():
            kernels.reserve(str(route), of_route)
        self._usual = Choice(None, policy, self._assembled(policy))
        self._by_route = {
            route: Choice(route.template, of_route, self._assembled(of_route))
            for route, of_route in (routes.entries if routes else ())
        }

    def of_routes(self) -> Iterator[tuple[str, Policy]]:
        """Yield every route with its policy."""
        if self.routes is not None:
            for route, policy in self.routes.entries:
                yield str(route), policy

    @property
    def policies(self) -> list[Policy]:
        """The policies whose state must stay: the client's and those of its routes."""
        return [self.policy, *(policy for _, policy in self.of_routes())]

    def choose(self, method: str, url: Url) -> Choice:
        """Return what holds for a request that brings no policy of its own."""
        if self.routes is None:
            return self._usual
        path = self.requests.base.path_inside(url)
        found = None if path is None else self.routes.match(method, path)
        return self._usual if found is None else self._by_route[found[0]]

    def pipeline(self, policy: Policy) -> Pipeline:
        """Return the pipeline of a policy that one call brings; policies are best made once and kept."""
        pipeline = self._others.get(policy)
        if pipeline is None:
            pipeline = self._assembled(policy)
            if len(self._others) < MAX_PIPELINES:
                self._others[policy] = pipeline
        return pipeline

    def _assembled(self, policy: Policy) -> Pipeline:
        return assemble(policy, self._kernels, self._backend, self._send)


def route_table(routes: Mapping[str, Policy] | None) -> RouteTable[Policy] | None:
    """Return the table of `routes=`; raises `ConfigError` or `TypeError`."""
    if not routes:
        return None
    if not isinstance(routes, Mapping):
        raise TypeError(f"routes={type(routes).__name__}: give a mapping from 'POST /charges/{{id}}' to a Policy")
    from resilient_client.routing import Route, RouteTable  # noqa: PLC0415 - for clients that have routes

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
