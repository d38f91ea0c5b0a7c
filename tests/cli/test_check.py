"""`check`: every mistake on a line that a program can take apart, or one line that there is none."""

from __future__ import annotations

import json

import pytest

from resilient_client import ConfigError, load_policies

SOUND = """
[clients.payments]
extends = "interactive"
[[clients.payments.routes]]
match = "POST /charges"
[[clients.payments.routes]]
match = "GET /charges/{id}"
[clients.search]
"""
WRONG = """\
[clients.payments]
retry = { max_atempts = 3 }
timeouts = { total = "2.5s" }
bulkhead = { max_concurrent = 0 }
"""
VARIABLE = "RESILIENT_CLIENT__CLIENTS__PAYMENTS__RETRY__MAX_ATTEMPTS"


def test_a_sound_file_is_one_line_and_0(cli, written):
    file = written(SOUND)
    ran = cli("check", file)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{file}: 2 clients, 2 routes, no mistakes\n"


def test_one_is_not_called_many(cli, written):
    file = written('[clients.a]\n[[clients.a.routes]]\nmatch = "/x"\n')
    assert cli("check", file).out == f"{file}: 1 client, 1 route, no mistakes\n"


def test_every_mistake_is_a_line_and_the_exit_code_is_1(cli, written):
    file = written(WRONG)
    ran = cli("check", file)
    assert (ran.code, ran.err) == (1, "")
    unknown, total, bulkhead = ran.out.splitlines()
    assert unknown.startswith(f"{file}:2: clients.payments.retry.max_atempts: is not a key that is known here")
    assert total.startswith(f'{file}:3: clients.payments.timeouts.total = "2.5s": not a duration')
    assert bulkhead == f"{file}:4: clients.payments.bulkhead.max_concurrent = 0: must be a whole number of at least 1"


def test_the_lines_are_the_report_of_the_library(cli, written):
    file = written(WRONG)
    with pytest.raises(ConfigError) as caught:
        load_policies(file)
    assert cli("check", file).out.splitlines() == [str(problem) for problem in caught.value.problems]


def test_json_of_a_sound_file(cli, written):
    ran = cli("check", written(SOUND), "--json")
    assert ran.code == 0
    assert json.loads(ran.out) == {"ok": True, "problems": [], "clients": ["payments", "search"]}


def test_json_of_mistakes(cli, written):
    file = written(WRONG)
    ran = cli("check", file, "--json")
    assert ran.code == 1
    told = json.loads(ran.out)
    assert (told["ok"], told["clients"]) == (False, [])
    assert [list(problem) for problem in told["problems"]] == [["where", "key", "found", "said"]] * 3
    assert told["problems"][2] == {
        "where": f"{file}:4",
        "key": "clients.payments.bulkhead.max_concurrent",
        "found": "0",
        "said": "must be a whole number of at least 1",
    }


def test_what_is_no_toml_is_a_mistake(cli, written):
    file = written("[clients.a]\nretry = = 3\n")
    ran = cli("check", file)
    assert ran.code == 1
    assert ran.out.startswith(f"{file}:2: clients.a.retry: not TOML: ")
    assert ran.out.count("\n") == 1


def test_a_binary_file_is_a_mistake(cli, tmp_path):
    file = tmp_path / "image.png"
    file.write_bytes(bytes(range(256)) * 100)
    ran = cli("check", file)
    assert ran.code == 1
    assert ran.out.startswith(f"{file}:")
    assert ran.out.count("\n") == 1


def test_the_environment_counts_unless_it_is_left_out(cli, written, monkeypatch):
    file = written(SOUND)
    monkeypatch.setenv(VARIABLE, "many")
    ran = cli("check", file)
    assert ran.code == 1
    assert ran.out.startswith(f'{VARIABLE}: clients.payments.retry.max_attempts = "many": must be ')
    assert cli("check", file, "--no-env").code == 0


def test_a_table_of_a_pyproject_is_checked(cli, written):
    file = written("[tool.resilient_client.clients.a]\nretri = 1\n", "pyproject.toml")
    ran = cli("check", file)
    assert ran.code == 1
    assert ran.out.startswith(f"{file}:2: clients.a.retri: ")


def test_a_mistake_is_one_line_whatever_is_in_it(cli, written):
    file = written('[presets."a\\nb\\u001b[2J"]\nretry = "off"\n[clients.x]\nextends = "nothing like it"\n')
    ran = cli("check", file)
    assert ran.code == 1
    assert ran.out.count("\n") == 1
    assert "\\x0ab\\x1b[2J" in ran.out


# On a terminal.


def test_on_a_terminal_places_stand_out_and_the_mistakes_are_counted(on_terminal, written):
    file = written(WRONG)
    shown = on_terminal("check", file)
    assert f"\x1b[1m{file}:2\x1b[0m: " in shown
    assert f"3 mistakes in {file}" in shown


def test_on_a_terminal_without_colours_the_lines_are_those_of_a_pipe(cli, on_terminal, written):
    file = written(WRONG)
    shown = on_terminal("check", file, NO_COLOR="1")
    assert "\x1b" not in shown
    assert shown.replace("\r\n", "\n") == f"{cli('check', file).out}3 mistakes in {file}\n"


def test_on_a_terminal_a_sound_file_is_told_in_green(on_terminal, written):
    assert on_terminal("check", written(SOUND)).startswith("\x1b[32m")
