"""The entry point: what it says without its extra, what it imports, and how Ctrl-C leaves it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

BLOCKED = "import sys; sys.modules[{name!r}] = None; sys.argv = ['resilient-client', '--version']; {then}"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_sentence_says_what_to_install(missing):
    ran = python(BLOCKED.format(name=missing, then="from resilient_client.__main__ import main; main()"))
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == "the command line needs typer and rich: install resilient-client[cli]\n"


def test_another_module_that_is_missing_is_not_mistaken_for_the_extra():
    ran = python(
        BLOCKED.format(name="resilient_client.cli.call", then="from resilient_client.__main__ import main; main()")
    )
    assert "resilient_client.cli.call" in ran.stderr
    assert "resilient-client[cli]" not in ran.stderr


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "resilient_client", "--version"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("resilient-client ")


def test_importing_the_entry_point_does_not_need_the_extra():
    assert python("import resilient_client.__main__, sys; print('typer' in sys.modules)").stdout == "False\n"


def test_importing_the_commands_imports_neither_the_demo_nor_the_paired_server():
    late = ("resilient_client.cli.demo.live", "resilient_client.testing")
    code = f"import resilient_client.cli.app, sys; print([name for name in {late} if name in sys.modules])"
    assert python(code).stdout == "[]\n"


@pytest.mark.parametrize("facade", [[], ["--async"]])
def test_ctrl_c_in_a_call_exits_with_130_and_no_traceback(spawn, facade):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        running = spawn("call", "GET", f"http://127.0.0.1:{silent.getsockname()[1]}/", *facade)
        accepted, _ = silent.accept()
        with accepted:
            accepted.settimeout(30)
            accepted.recv(1000)
            running.send(signal.SIGINT)
            ran = running.end()
    assert ran.code == 130
    assert ran.err == ""
