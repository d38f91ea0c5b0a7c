"""The pytest plugin: its fixtures serve, are strict, and cost nothing to those who do not use them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import httpx

from resilient_client.testing import plugin
from resilient_client.testing.plugin import fault_server, fault_server_factory  # noqa: F401 - as pytest would find them

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from resilient_client.testing.server import FaultServer

pytest_plugins = ["pytester"]

FIXTURES = "import httpx\nfrom resilient_client.testing.plugin import fault_server, fault_server_factory\n"


def test_a_server_is_there(fault_server: FaultServer) -> None:  # noqa: F811
    assert httpx.get(fault_server.url + "/text").text == "ok"


def test_servers_of_all_kinds_can_be_made(fault_server_factory: Callable[..., FaultServer]) -> None:  # noqa: F811
    plain, secure = fault_server_factory(), fault_server_factory(tls="valid", strict=False)
    assert httpx.get(plain.url).status_code == 200
    assert httpx.get(secure.url + "/nowhere", verify=secure.client_context()).status_code == 404


def test_an_unexpected_request_fails_its_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        FIXTURES
        + """
def test_one(fault_server):
    httpx.get(fault_server.url + "/nowhere")

def test_many(fault_server_factory):
    first, second = fault_server_factory(), fault_server_factory()
    httpx.delete(first.url + "/neither")
"""
    )
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*GET /nowhere*", "*DELETE /neither*"])


def test_the_plugin_imports_nothing_of_ours_by_itself() -> None:
    light = (
        "import runpy, sys;"
        f"runpy.run_path({plugin.__file__!r});"
        "sys.exit([name for name in sys.modules if name.startswith('resilient_client')] or 0)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", light], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
