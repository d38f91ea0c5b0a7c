"""What both facades are made of: arguments checked, a call made, the pipeline run, the state read."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias, cast

from resilient_client import decoding
from resilient_client.backends import Backend, run_sync
from resilient_client.call_options import (
    CallOptions,
    check_is,
    check_known,
    checked_callback,
    expected_statuses,
    key_of,
)
from resilient_client.errors import ClientClosed, ConfigError
from resilient_client.events import Listener, checked_listeners
from resilient_client.exchange import Wire
from resilient_client.gathering import Request, Start, gather, request_of
from resilient_client.pipeline.call import SAFE_METHODS, Call
from resilient_client.policy import Policy, explicit_total
from resilient_client.redact import redact_url
from resilient_client.result import Result, T
from resilient_client.wire.requests import (
    HeaderInput,
    RequestBuilder,
    RequestOptions,
    check_method,
    idempotency_key_of,
)
from resilient_client.wire.urls import as_http, parse_url

if TYPE_CHECKING:  # what takes long to import is imported when a client is made; see decision record 26
    from resilient_client.pipeline.circuit import Circuit
    from resilient_client.pipeline.kernels import Kernels
    from resilient_client.pipeline.observe import Pipeline
    from resilient_client.plan import Plan
    from resilient_client.settings import Settings
    from resilient_client.socket_options import SocketOptions
    from resilient_client.state import BulkheadState, ClientState
    from resilient_client.telemetry import Audience, HttpSpans
    from resilient_client.transfers.downloaded import Downloaded
    from resilient_client.transfers.wanted import Wanted
    from resilient_client.wire.tls_settings import Cert, Verify

AT_ONCE: Final = 100
"""Calls that a client without a bulkhead has under way for `submit` and `gather`."""

Gathered: TypeAlias = Coroutine[Any, Any, list[Result[T]]]


class BaseClient(ABC):
    """The part of a client that does not depend on how its calls wait."""

    _asynchronous: ClassVar[bool]

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        policy: Policy | None = None,
        routes: Mapping[str, Policy] | None = None,
        kernels: Kernels | None = None,
        headers: HeaderInput | None = None,
        auth: Any = None,
        allow_other_origins: bool = False,
        verify: Verify = True,
        cert: Cert | None = None,
        proxy: str | None = None,
        uds: str | os.PathLike[str] | None = None,
        http2: bool = False,
        local_address: str | None = None,
        trust_env: bool = False,
        transport: Any = None,
        listeners: Iterable[Listener] = (),
        telemetry: bool = True,
        http_spans: HttpSpans = "own",
        wire: str | Wire | None = None,
        backend: Backend | None = None,
    ) -> None:
        """Make a client for one downstream service; make it once and keep it.

        name: what its operators call the service, in telemetry and messages.
        policy: how long, how often, how many; the defaults are those of `Policy()`.
        routes: policies for some of its calls, by method and URL template: `{"POST /charges/{id}": policy}`. The most
        specific match wins; its template is also the call's `route`, unless the call names one.
        kernels: state shared with another client, such as `other.kernels`; without `policy`, its policy too.
        base_url: where relative URLs start; a call may not leave it unless `allow_other_origins`.
        headers, auth: sent with every call. The value of a header may be a function that is asked at each call;
        `auth` is (user, password), any `httpx.Auth`, or a function of the request.
        verify, cert: True, a path to roots or an `ssl.SSLContext`; a client certificate as path or (cert, key).
        proxy, uds, local_address: through an HTTP or SOCKS5 proxy, over a unix socket, from a local address.
        http2: offer HTTP/2 on https connections, one of which then carries many calls; `AsyncClient` only.
        trust_env: take proxy and root certificates from the environment.
        transport: any httpx transport of the client's kind instead of ours.
        listeners: functions that are told of events, see `resilient_client.events`.
        telemetry: whether spans, metrics and log lines are made, once the application has set up somebody to take them.
        http_spans: "own" spans for each request on the wire, or "delegate" to OpenTelemetry's httpx instrumentation.
        wire: "pyreqwest", "aiohttp" (`AsyncClient` only) or "httpx2": another HTTP library below the same policies,
        with the extra of that name; see the page on wires for what each cannot do. Or an object of your own with `send`
        and `close`, as in `resilient_client.exchange.Wire`.
        backend: another way to wait; for tests.

        Raises `ConfigError` or `TypeError` for a wrong option, before anything is opened.
        """
        from resilient_client.pipeline.kernels import Kernels
        from resilient_client.settings import Settings
        from resilient_client.wire.options import WireOptions

        if not isinstance(name, str) or not name:
            raise ConfigError(f"name={name!r}: a client needs a name, the one its operators know, such as 'orders'")
        if "://" in name:
            raise ConfigError(f"name={redact_url(name)!r}: that is a URL; give the service's name, and base_url=...")
        check_is(policy, Policy, "policy")
        check_is(kernels, Kernels, "kernels")
        self.name = name
        self.kernels = kernels if kernels is not None else Kernels(policy)
        self._backend = backend or self._new_backend()
        self._audience = _audience(listeners, telemetry, http_spans)
        named = wire if isinstance(wire, str) else None
        self._given_wire = None if wire is None or isinstance(wire, str) else _checked_wire(wire)
        self._retired: list[Wire] = []
        self._closed = False
        self._settings = Settings(
            policy if policy is not None else self.kernels.policy,
            routes,
            RequestOptions(base_url, headers, auth, allow_other_origins),
            WireOptions(transport, verify, cert, proxy, uds, http2, local_address, trust_env, named),
        )
        self._wire = self._given_wire or self._new_wire(self._settings)
        self._plan = self._planned(self._settings, self._wire)()
        self.kernels.join(self)
        self._audience.watch(self)

    @staticmethod
    @abstractmethod
    def _new_backend() -> Backend:
        """Return what waits for calls."""

    def _new_wire(self, settings: Settings) -> Wire:
        from resilient_client.wire.build import build_wire

        return build_wire(settings.wire, asynchronous=self._asynchronous, base_url=settings.requests.base_url)

    def _planned(self, settings: Settings, wire: Wire) -> Callable[[], Plan]:
        """Check the settings, and return what makes the plan, which cannot fail any more."""
        from resilient_client.plan import Plan, route_table
        from resilient_client.wire.delivery import send_over
        from resilient_client.wire.guard import check_wire

        requests = RequestBuilder(settings.requests, asynchronous=self._asynchronous)
        routes = route_table(settings.routes)
        policies = [settings.policy, *(settings.routes or {}).values()]
        check_wire(wire, policies)
        prepare = getattr(wire, "prepare", None)
        if prepare is not None:
            prepare(policies)
        return lambda: Plan(settings.policy, routes, requests, self.kernels, self._backend, send_over(wire))

    @property
    def policy(self) -> Policy:
        """The policy of calls that match no route and bring none of their own."""
        return self._plan.policy

    def _prepare(self, options: Mapping[str, Any]) -> Callable[[], None] | None:
        """Check other options, and return what goes over to them; None when they are the same.

        Calls from then on see them whole, calls under way not at all. Any thread may do both; connections under other
        options are closed by the next call, on the thread or the event loop that they belong to. Raises `ConfigError`,
        `ValueError` or `TypeError`.
        """
        from resilient_client.settings import Settings

        settings = Settings.of(options)
        before = self._settings
        if settings == before and settings.totals() == before.totals():
            return None
        moved = settings.wire.trust_env and settings.requests.base_url != before.requests.base_url
        same = (settings.wire == before.wire and not moved) or self._given_wire is not None
        wire = self._wire if same else self._new_wire(settings)
        planned = self._planned(settings, wire)

        def go_over() -> None:
            if not same:
                self._retired.append(self._wire)
            self._settings, self._wire, self._plan = settings, wire, planned()

        return go_over

    def _let_go_of_retired(self) -> None:
        while self._retired:
            try:
                wire = self._retired.pop()
            except IndexError:  # another thread closes the last one
                return
            retire = getattr(wire, "retire", None)  # of a wire whose close() may wait
            if retire is None:
                run_sync(wire.close())
            else:
                retire()

    def _call(
        self, method: str, url: str, decode: type[Any] | None, options: CallOptions, *, streaming: bool = False
    ) -> tuple[Call, Pipeline]:
        if self._closed:
            raise ClientClosed(f"the client {self.name!r} is closed; make calls before close(), or make a new client")
        if self._retired:
            self._let_go_of_retired()
        plan = self._plan
        policy = route = expect = key = on_complete = None
        if options:
            given: dict[str, Any] = {**options}
            policy = given.pop("policy", None)
            check_is(policy, Policy, "policy")
            route = given.pop("route", None)
            check_is(route, str, "route")
            expect = expected_statuses(given.pop("expect", None))
            key = key_of(given.pop("idempotency_key", None))
            on_complete = checked_callback(given.pop("on_complete", None))
            check_known(given)
            request = plan.requests.build(check_method(method), url, idempotency_key=key, **given)
        else:
            request = plan.requests.plain(method, url)
        if key is None and request.method not in SAFE_METHODS:  # a safe one needs no key to be sent again
            key = idempotency_key_of(request)
        decoder = None if decode is None else decoding.decoder(decode)
        choice, at_most = plan.choose(request.method, request.url), inf
        route = route or choice.template
        usual, pipeline = choice.policy, choice.pipeline
        if policy is not None:
            at_most, pipeline = explicit_total(usual), plan.pipeline(policy)
        now, heard = self._backend.now(), self._audience.now()
        call = Call(
            request,
            usual if policy is None else policy,
            self.name,
            now,
            now,
            now,
            heard,
            route,
            expect,
            decoder,
            key,
            at_most,
            streaming,
            on_complete,
        )
        return call, pipeline

    def _submitted(
        self, method: str, url: str, decode: type[Any] | None, options: CallOptions
    ) -> Callable[[], Coroutine[Any, Any, Result[Any]]]:
        """Make a call whose time runs from now, and return what begins it."""
        call, pipeline = self._call(method, url, decode, options)

        def begin() -> Coroutine[Any, Any, Result[Any]]:
            call.now = self._backend.now()
            call.queued = call.now - call.started
            return pipeline(call)

        return begin

    def _gathered(self, requests: Iterable[Request[T] | str], max_concurrent: int | None) -> Gathered[T]:
        """Return the results of many calls; whatever is wrong with one of them is said before any is sent."""
        at_once = self._at_once() if max_concurrent is None else max_concurrent
        if isinstance(at_once, bool) or not isinstance(at_once, int) or at_once < 1:
            raise ConfigError(f"max_concurrent={max_concurrent!r}: give a whole number of at least 1, or None")
        if isinstance(requests, (str, Request)):
            raise TypeError(f"requests={requests!r}: give a list of them")
        starts = [self._checked(request_of(item, position)) for position, item in enumerate(requests)]
        return gather(self._backend, starts, at_once)

    def _checked(self, request: Request[Any]) -> Start:
        self._call(request.method, request.url, request.decode, request.options)

        def start() -> Coroutine[Any, Any, Result[Any]]:
            call, pipeline = self._call(request.method, request.url, request.decode, request.options)
            return pipeline(call)

        return start

    def _at_once(self) -> int:
        bulkhead = self.policy.bulkhead
        return AT_ONCE if bulkhead is None else bulkhead.max_concurrent

    async def _download(self, url: str, wanted: Wanted, options: CallOptions) -> Result[Downloaded]:
        from resilient_client.transfers.download import downloading

        call, pipeline = self._call("GET", url, None, options)
        with downloading(call, wanted, self._backend):
            return await pipeline(call)

    def _socket_call(self, url: str, options: SocketOptions) -> tuple[Call, Pipeline]:
        """Return the call that asks for a WebSocket, and its pipeline."""
        from resilient_client.socket_options import SocketSettings

        settings, of_the_handshake = SocketSettings.taken_from(options)
        if not getattr(self._wire, "upgrades", False):
            raise ConfigError(
                f"websocket(): the client {self.name!r} has a transport or a wire that is not ours, and those give no "
                f"connection away; make another client for WebSockets, without transport= and wire="
            )
        try:
            from resilient_client.wire.websockets.upgrade import ask_for_websocket
        except ImportError:
            raise ConfigError("websocket(): needs wsproto; install resilient-client[ws]") from None
        url = as_http(url) if isinstance(url, str) else url
        call, pipeline = self._call("GET", url, None, cast("CallOptions", of_the_handshake))
        ask_for_websocket(call, settings, self._backend)
        return call, pipeline

    # For operators.

    def state(self) -> ClientState:
        """Return circuits, permits, queue and budget as they are now."""
        from resilient_client.state import ClientState

        now, plan, kernels = self._backend.now(), self._plan, self.kernels
        policy = plan.policy
        circuits = kernels.circuit_states(policy.breaker, now)
        bulkheads: dict[str, BulkheadState] = {}
        seen: set[object] = {policy.breaker, policy.bulkhead, None}
        for route, own in plan.of_routes():
            if own.breaker not in seen:
                circuits |= kernels.circuit_states(own.breaker, now)
            if own.bulkhead is not None and own.bulkhead not in seen:
                bulkheads[route] = kernels.permits(own.bulkhead).state()
            seen |= {own.breaker, own.bulkhead}
        permits = kernels.permits(policy.bulkhead).state() if policy.bulkhead is not None else None
        budget = policy.retry.budget if policy.retry is not None else None
        return ClientState(
            self.name,
            circuits,
            permits.in_use if permits else None,
            permits.limit if permits else None,
            permits.queued if permits else None,
            kernels.budget(budget).available(now) if budget is not None else None,
            bulkheads,
        )

    def breaker(self, key: str | None = None) -> Circuit:
        """Return the circuit of `key`, to `isolate()` or `close()` it by hand or to read its `state`.

        Without `key`: the one of base_url's origin, or of the whole client when that is what the policy keys by. Raises
        `ConfigError` when the policy has no breaker, or there is no such key to name.
        """
        settings = self.policy.breaker
        if key is not None and not isinstance(key, str):
            raise TypeError(f"breaker(key={key!r}): give a str, such as 'https://payments:443'; state() lists them")
        if settings is None:
            raise ConfigError(f"the policy of client {self.name!r} has no breaker (breaker=None)")
        if key is None and settings.key == "client":
            key = self.name
        if key is None and settings.key == "origin" and self._plan.requests.base.url is not None:
            key = self._plan.requests.base.url.origin
        if key is not None and settings.key == "origin":
            key = parse_url(key).origin
        if key is None:
            raise ConfigError("breaker(): name the circuit, e.g. breaker('https://payments:443'); state() lists them")
        return self.kernels.circuits(settings).get(key, self._backend.now())

    @property
    def lasting_listeners(self) -> tuple[Listener, ...]:
        """Who hears of what happens seldom, by whoever's call: circuits that change."""
        return self._audience.lasting

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __repr__(self) -> str:
        base = self._plan.requests.base.url
        where = f" {base}" if base is not None else ""
        return f"<{type(self).__name__} {self.name!r}{where}{' closed' if self._closed else ''}>"


def _checked_wire(wire: Any) -> Wire:
    from resilient_client.wire.choices import check_name

    if not callable(getattr(wire, "send", None)) or not callable(getattr(wire, "close", None)):
        check_name(wire)
    return cast("Wire", wire)


def _audience(listeners: Iterable[Listener], telemetry: bool, http_spans: HttpSpans) -> Audience:
    from resilient_client.telemetry import Audience

    if http_spans not in {"own", "delegate"}:
        raise ConfigError(f'http_spans={http_spans!r}: give "own" or "delegate"')
    return Audience(checked_listeners(listeners), standard=bool(telemetry), http_spans=http_spans)
