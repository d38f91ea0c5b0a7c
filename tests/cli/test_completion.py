"""Completion: shells can have it, and CLIENT is completed from the file."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FILE = """
[clients.payments]
[clients.search]
[clients.search-beta]
[clients."two words"]
[clients."$(reboot)"]
"""

# As the script does that `resilient-client` is installed as: the shell names it by its first word.
PROGRAM = "import sys; sys.argv[0] = 'resilient-client'; from resilient_client.__main__ import main; main()"


def program(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.fixture
def offered():
    """Return what bash would offer for the last of the words."""

    def complete(*words: object) -> list[str]:
        line = ["resilient-client", *map(str, words)]
        ran = program(
            COMP_WORDS=" ".join(line),
            COMP_CWORD=str(len(line) - 1),
            _RESILIENT_CLIENT_COMPLETE="complete_bash",
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout.split()

    return complete


def test_commands_are_offered(offered):
    assert offered("ch") == ["check"]


def test_the_clients_of_the_file_are_offered_to_explain(offered, written):
    file = written(FILE)
    assert offered("explain", file, "") == ["payments", "search", "search-beta"]
    assert offered("explain", file, "sea") == ["search", "search-beta"]
    assert offered("explain", "--no-env", file, "p") == ["payments"]


def test_the_clients_of_the_file_are_offered_to_call(offered, written):
    file = written(FILE)
    assert offered("call", "--policies", file, "p") == ["payments"]
    assert offered("call", f"--policies={file}", "p") == ["payments"]
    assert offered("call", "--policies", file, "payments", "") == []
    assert offered("call", "") == []


def test_a_file_with_mistakes_has_clients_all_the_same(offered, written):
    assert offered("explain", written("[clients.payments]\nretri = 1\n"), "") == ["payments"]


def test_a_table_of_a_pyproject_has_clients(offered, written):
    assert offered("explain", written("[tool.resilient_client.clients.a]\n", "pyproject.toml"), "") == ["a"]


@pytest.mark.parametrize("text", ["clients = 3\n", "[[[\n", ""])
def test_a_file_without_clients_offers_nothing(offered, written, text):
    assert offered("explain", written(text), "") == []


def test_no_file_offers_nothing(offered, tmp_path):
    assert offered("explain", tmp_path / "missing.toml", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_have_its_script(shell):
    ran = program("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert ran.returncode == 0
    assert "_RESILIENT_CLIENT_COMPLETE" in ran.stdout


def test_it_is_installed_into_the_home_of_the_user(tmp_path):
    switch = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    assert program("--install-completion", "bash", **switch).returncode == 0
    assert "resilient-client" in (tmp_path / ".bashrc").read_text()
