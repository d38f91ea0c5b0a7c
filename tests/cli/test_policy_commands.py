"""What the commands for policy files have in common: no file, Ctrl-C, no secrets, and what they import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from resilient_client.cli import policy_file

SECRET = "hunter2"
COMMANDS = {
    "check": lambda file: ("check", file),
    "explain": lambda file: ("explain", file, "payments"),
    "call": lambda file: ("call", "--policies", file, "payments", "GET", "/"),
}


@pytest.fixture(params=COMMANDS)
def command(request):
    return COMMANDS[request.param]


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize("kind", ["missing", "directory", "no table"])
def test_a_file_that_cannot_be_read_is_one_line_and_2(cli, tmp_path, command, kind, as_json):
    file = tmp_path / "pyproject.toml"
    if kind == "directory":
        file.mkdir()
    elif kind == "no table":
        file.write_text("[project]\n")
    ran = cli(*command(file), *as_json)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("resilient-client ")
    assert str(file) in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_line_and_2(cli, written, command):
    file = written("[clients.payments]\n")
    file.chmod(0)
    ran = cli(*command(file))
    assert (ran.code, ran.out) == (2, "")
    assert "Permission denied" in ran.err


def test_a_binary_file_is_told_as_a_mistake(cli, tmp_path, command):
    file = tmp_path / "services.toml"
    file.write_bytes(os.urandom(16) + b"\xff\x00")
    ran = cli(*command(file))
    assert ran.code == 1
    assert (ran.out + ran.err).startswith(f"{file}:")
    assert (ran.out + ran.err).count("\n") == 1


def test_ctrl_c_exits_with_130_and_no_traceback(cli, written, monkeypatch, command):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("resilient_client.config.sources.read_bytes", interrupted)
    ran = cli(*command(written("[clients.payments]\n")))
    assert (ran.code, ran.out, ran.err) == (130, "", "")


# Secrets.

FILE = """
[clients.payments]
base_url = "https://payments.internal"
headers = { Authorization = "Bearer ${TOKEN}", X-Shared = "${TOKEN}" }
proxy = "http://${USER_OF_PROXY}:${TOKEN}@proxy:3128"
"""


@pytest.mark.parametrize("as_json", [[], ["--json"]])
@pytest.mark.parametrize("mistake", ["", "retri = 1\n", "headers.x = 1\n"])
def test_no_secret_of_the_environment_is_printed(cli, written, monkeypatch, as_json, mistake):
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setenv("USER_OF_PROXY", SECRET)
    monkeypatch.setenv("RESILIENT_CLIENT__CLIENTS__PAYMENTS__HEADERS__X_API_KEY", SECRET)
    file = written(FILE + mistake)
    told = []
    for arguments in (["check", file], ["explain", file, "payments"], ["explain", file, "payments", "GET", "/x"]):
        ran = cli(*arguments, *as_json)
        assert ran.code == (1 if mistake else 0)
        told.append(ran.out + ran.err)
    assert SECRET not in "".join(told)
    assert mistake or "REDACTED" in told[1]
    assert mistake or "Bearer ${TOKEN}" in told[1]


@pytest.mark.parametrize(
    "change",
    [
        *("headers.Authorization=hunter2", "headers=hunter2", "headers={ Cookie = 'hunter2' }"),
        *("proxy=http://me:hunter2@proxy", "auth=hunter2", "base_url=http://me:hunter2@host"),
    ],
)
def test_no_secret_of_a_change_is_printed(cli, written, change):
    ran = cli("explain", written("[clients.payments]\n"), "payments", "--set", change)
    assert SECRET not in ran.out + ran.err


def test_no_secret_is_shown_on_a_terminal(on_terminal, written):
    file = written(FILE)
    for arguments in (["check", file], ["explain", file, "payments"]):
        assert SECRET not in on_terminal(*arguments, TOKEN=SECRET, USER_OF_PROXY=SECRET)


# Imports.


def python(code: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_the_commands_does_not_import_pydantic():
    assert python("import resilient_client.cli.app, sys; print('pydantic' in sys.modules)") == "False\n"


def test_a_call_without_a_policy_file_imports_nothing_of_policy_files(fault_server):
    code = """
import sys
from resilient_client.cli.app import run
sys.argv = ["resilient-client", "call", "GET", sys.argv[1]]
run()
print([name for name in sys.modules if name.startswith("resilient_client.config.")])
"""
    assert python(code, f"{fault_server.url}/text").endswith("\nok\n[]\n")


@pytest.mark.parametrize("needs_it", [lambda: policy_file.read(Path("x.toml")), policy_file.schema_text])
def test_without_pydantic_a_sentence_says_what_to_install(monkeypatch, needs_it):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(typer.BadParameter, match=r"^policy files need pydantic; install resilient-client\[cli\]$"):
        needs_it()
