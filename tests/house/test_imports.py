"""Dependencies point one way."""

import ast
from pathlib import Path

import pytest

import resilient_client

ROOT = Path(resilient_client.__file__).parent
VALUES = {
    "ambient",
    "decoding",
    "errors",
    "events",
    "exchange",
    "forking",
    "headers",
    "http_dates",
    "lines",
    "live",
    "policy",
    "quick",
    "redact",
    "result",
    "retry_after",
    "routing",
    "rules",
    "sink",
    "state",
    "still_open",
    "timeline",
}
FORBIDDEN_IN_PIPELINE = {"httpx", "httpcore", "h11", "h2", "asyncio", "socket", "ssl", "opentelemetry", "structlog"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(path: Path, *, for_types: bool = False, later: bool = False) -> set[str]:
    """The modules that `path` imports when it is imported; also those for annotations, and those in its functions."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING" and not for_types:
                continue
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not later:
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                found.update(
                    f"{child.module}.{alias.name}" if f"{child.module}.{alias.name}" in MODULES else child.module
                    for alias in child.names
                )
            walk(child)

    walk(ast.parse(path.read_text()))
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imported(path) if name in MODULES}


def test_there_is_no_import_cycle():
    graph = {name: ours(path) for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for following in graph[name]:
                visit(following, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("name", sorted(VALUES))
def test_values_know_nothing_but_values(name):
    allowed = {f"resilient_client.{value}" for value in VALUES}
    assert ours(MODULES[f"resilient_client.{name}"]) <= allowed


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("resilient_client.pipeline")))
def test_the_pipeline_knows_no_library_of_the_wire_and_no_event_loop(name):
    top = {module.partition(".")[0] for module in imported(MODULES[name], for_types=True)}
    assert not top & FORBIDDEN_IN_PIPELINE
    inside = {module for module in ours(MODULES[name]) if not module.startswith("resilient_client.pipeline")}
    assert inside <= {f"resilient_client.{value}" for value in VALUES}


@pytest.mark.parametrize("policy", ["deadline", "retry", "bulkhead", "breaker", "attempt"])
def test_a_policy_knows_no_other_policy(policy):
    others = {"deadline", "retry", "bulkhead", "breaker", "attempt"} - {policy}
    known = ours(MODULES[f"resilient_client.pipeline.{policy}"])
    assert not known & {f"resilient_client.pipeline.{other}" for other in others}


def test_each_engine_is_known_to_its_policy_alone():
    homes = {"tenacity": {"pipeline.retry"}, "pybreaker": {"pipeline.circuit", "pipeline.pybreaker_parts"}}
    for engine, expected in homes.items():
        users = {
            name.removeprefix("resilient_client.")
            for name, path in MODULES.items()
            if engine in imported(path, later=True)
        }
        assert {user for user in users if not user.startswith("cli")} == expected


def test_downloads_know_nothing_of_http_libraries_and_event_loops():
    for name, path in MODULES.items():
        if name.startswith("resilient_client.transfers"):
            top = {module.partition(".")[0] for module in imported(path, for_types=True)}
            assert not top & FORBIDDEN_IN_PIPELINE, name
            inside = {module for module in ours(path) if not module.startswith("resilient_client.transfers")}
            assert inside <= {f"resilient_client.{value}" for value in VALUES}, name


def test_httpx_is_known_to_the_wire_alone():
    users = {name for name, path in MODULES.items() if {"httpx", "httpcore"} & imported(path, later=True)}
    assert all(name.startswith(("resilient_client.wire", "resilient_client.cli")) for name in users), users


def test_nothing_but_telemetry_knows_opentelemetry_or_structlog():
    for name, path in MODULES.items():
        if name.startswith("resilient_client.telemetry"):
            continue
        top = {module.partition(".")[0] for module in imported(path, for_types=True)}
        assert not top & {"opentelemetry", "structlog"}, name


def test_public_names_are_pinned():
    assert sorted(resilient_client.__all__) == [
        *(
            "AsyncClient",
            "AsyncStream",
            "AsyncWebSocket",
            "Attempt",
            "Breaker",
            "Bulkhead",
            "BulkheadState",
            "CallFailed",
            "CircuitState",
            "Client",
            "ClientClosed",
        ),
        *("ClientState", "ConfigError", "Downloaded", "Failure", "FailureKind", "Headers", "Kernels", "Policy"),
        *(
            "Request",
            "ResilientClientError",
            "Result",
            "Retry",
            "RetryBudget",
            "ServerSentEvent",
            "StopReason",
            "Stream",
            "StreamClosed",
            "Success",
            "Timeouts",
            "WebSocket",
            "deadline",
            "load_policies",
        ),
    ]
    assert all(hasattr(resilient_client, name) for name in resilient_client.__all__)
