"""What `import resilient_client` loads, what the first client does, and that nobody can tell the difference."""

import ast
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import resilient_client

ROOT = Path(resilient_client.__file__).parents[1]

AT_IMPORT = {
    *("ambient", "async_client", "backends", "base_client", "call_options", "client", "config", "decoding", "errors"),
    *("events", "exchange", "gathering", "headers", "pipeline", "pipeline.call", "policy", "quick", "redact", "result"),
    *("rules", "timeline", "wire", "wire.bodies", "wire.decoders", "wire.encoding", "wire.plain_urls", "wire.requests"),
    "wire.urls",
}
"""Modules of ours that an import runs. Each takes 0.2 to 1 ms; what only a client needs, `BaseClient` imports."""

HEAVY = {
    "httpx": "most of what a client costs; what needs it belongs behind `build_wire`",
    "httpcore": "loads h2, socksio and anyio; only httpx's own transport asks for it",
    "h11": "for a wire that reads HTTP/1.1",
    "asyncio": "for a client",
    "ssl": "for a client",
    "certifi": "for the first https connection",
    "tenacity": "for a policy with one of its strategies; loads asyncio",
    "pybreaker": "for a client with a breaker; loads redis and tornado where they are installed",
    "opentelemetry": "for an application that has set it up",
    "structlog": "for an application that has set it up",
    "urllib.request": "loads http.client, email and tempfile",
    "uuid": "for an idempotency key",
    "http": "its statuses are an enum of sixty members",
}

GENERATED = 123
"""Pieces of source that are compiled while importing: what dataclasses and named tuples are made of, on Python 3.11."""


def run(code: str) -> str:
    """Run `code` in an interpreter that has imported nothing, and return what it prints."""
    command = [sys.executable, "-c", "import sys\nbefore = set(sys.modules)\n" + code]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


def loaded(code: str) -> set[str]:
    """The modules that `code` loads."""
    return set(json.loads(run(code + "\nimport json; print(json.dumps(sorted(set(sys.modules) - before)))")))


@pytest.fixture(scope="module")
def imported() -> set[str]:
    return loaded("import resilient_client")


@pytest.mark.parametrize(("module", "reason"), HEAVY.items())
def test_importing_the_package_does_not_load(imported, module, reason):
    assert module not in imported, reason


def test_the_only_other_package_is_typing_extensions(imported):
    tops = {name.partition(".")[0] for name in imported}
    assert tops - sys.stdlib_module_names == {"resilient_client", "typing_extensions"}


def test_importing_runs_no_other_modules_of_ours(imported):
    ours = {name.partition(".")[2] for name in imported if name.startswith("resilient_client.")}
    assert ours == AT_IMPORT


def test_importing_compiles_no_more_than_it_did():
    code = """
import concurrent.futures, dataclasses, inspect, json, logging, typing_extensions
compiled = []
sys.addaudithook(lambda event, args: event == "compile" and args[1] == "<string>" and compiled.append(args))
import resilient_client
print(len(compiled))
"""
    assert 0 < int(run(code)) <= GENERATED


CALLS = {
    "Client": """
import resilient_client
with resilient_client.Client("orders") as client:
    before = set(sys.modules)
    assert client.get({url!r}).ok
""",
    "AsyncClient": """
import asyncio, resilient_client

async def main():
    global before
    async with resilient_client.AsyncClient("orders") as client:
        before = set(sys.modules)
        assert (await client.get({url!r})).ok

asyncio.run(main())
""",
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_client_has_loaded_what_its_calls_need(kind, fault_server):
    assert loaded(CALLS[kind].format(url=fault_server.url)) == set()


@pytest.mark.parametrize("kind", CALLS)
def test_a_client_that_makes_plain_calls_does_without_what_others_need(kind, fault_server):
    code = CALLS[kind].format(url=fault_server.url).replace("before = set(sys.modules)", "pass")
    unused = {"httpcore", "certifi", "tenacity", "h2", "wsproto", "opentelemetry", "structlog"}
    assert not loaded(code) & unused


def test_every_public_name_can_be_imported_from_the_package():
    lines = [f"from resilient_client import {name}; print({name} is not None)" for name in resilient_client.__all__]
    assert run("\n".join(lines)).splitlines() == ["True"] * len(resilient_client.__all__)


def test_the_package_lists_all_its_names_before_they_are_loaded():
    listed = run("import resilient_client; print(dir(resilient_client))")
    assert set(ast.literal_eval(listed)) >= set(resilient_client.__all__)
    starred = run("from resilient_client import *; print(dir())")
    assert set(ast.literal_eval(starred)) >= set(resilient_client.__all__)


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'resilient_client' has no attribute 'Sesion'"):
        resilient_client.Sesion  # noqa: B018
    with pytest.raises(ImportError, match="Sesion"):
        from resilient_client import Sesion  # noqa: F401


def test_what_is_loaded_late_is_the_same_everywhere():
    from resilient_client.state import CircuitState
    from resilient_client.streams import Stream

    assert resilient_client.Stream is Stream
    state = resilient_client.CircuitState("open", 3, 2)
    assert isinstance(state, CircuitState)
    assert pickle.loads(pickle.dumps(state)) == state


def test_a_pickle_can_be_read_by_a_process_that_has_loaded_nothing():
    dumped = pickle.dumps(resilient_client.CircuitState("open", 3, 2))
    assert run(f"import pickle; print(pickle.loads({dumped!r}).state)") == "open\n"


def test_clients_may_be_made_by_many_threads_at_once_in_a_process_that_has_loaded_nothing():
    code = """
import threading, resilient_client
together = threading.Barrier(8)
names = []

def make(number):
    together.wait()
    with resilient_client.Client(f"client-{number}") as client:
        names.append((client.name, resilient_client.Kernels, resilient_client.Stream))

threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(names), len({kind for _, *kinds in names for kind in kinds}))
"""
    assert run(code) == "8 2\n"
