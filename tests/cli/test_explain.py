"""`explain`: what holds, where it comes from, and what a change would do."""

from __future__ import annotations

import json

import pytest

from resilient_client import ConfigError, load_policies

ESCAPE = "\x1b"
FILE = """\
[clients.payments]
extends = "interactive"
base_url = "https://payments.internal"
timeouts = { total = "4s" }
[[clients.payments.routes]]
match = "GET /charges/{id}"
retry = { max_attempts = 5 }
"""
VARIABLE = "RESILIENT_CLIENT__CLIENTS__PAYMENTS__RETRY__MAX_ATTEMPTS"


@pytest.fixture
def file(written):
    return written(FILE)


@pytest.fixture
def values(cli, file):
    """Explain with --json and return each value with its source."""

    def explain(*arguments: object) -> dict[str, tuple[object, str]]:
        ran = cli("explain", file, "payments", *arguments, "--json")
        assert ran.code == 0, ran.err
        return {row["key"]: (row["value"], row["source"]) for row in json.loads(ran.out)["values"]}

    return explain


def test_in_a_pipe_it_is_the_explanation_of_the_library(cli, file):
    ran = cli("explain", file, "payments")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{load_policies(file).explain('payments')}\n"


def test_it_has_values_with_sources_then_words_then_the_drawing(cli, file):
    out = cli("explain", file, "payments").out
    value = out.index(f"client payments ({file}:4)")
    assert value < out.index("at most 2 attempts, worst case") < out.index("|====")


def test_a_call_is_explained_by_its_route(cli, file):
    out = cli("explain", file, "payments", "get", "/charges/42?page=2").out
    assert out.startswith("payments, GET /charges/{id}\n")
    assert f"route GET /charges/{{id}} ({file}:7)" in out


def test_json_is_what_the_explanation_has(cli, file):
    ran = cli("explain", file, "payments", "GET", "/charges/42", "--json")
    assert json.loads(ran.out) == load_policies(file).explain("payments", "GET", "/charges/42").as_dict()


def test_the_environment_counts_unless_it_is_left_out(values, monkeypatch):
    monkeypatch.setenv(VARIABLE, "7")
    assert values()["retry.max_attempts"] == (7, f"environment {VARIABLE}")
    assert values("--no-env")["retry.max_attempts"] == (2, "preset interactive (built in)")


# What a change would do.


def test_the_library_explains_a_change_and_leaves_everything_as_it_is(file):
    policies = load_policies(file, environment={})
    before = policies.explain("payments")
    changed = policies.explain("payments", "GET", "/charges/42", changes={"retry": {"max_attempts": 1}})
    assert [row.source for row in changed.rows if row.key == "retry.max_attempts"] == ["argument"]
    assert changed.worst.attempts == 1
    assert policies.explain("payments", changes={}) == policies.explain("payments") == before
    with pytest.raises(ConfigError, match="did you mean 'retry'"):
        policies.explain("payments", changes={"retri": "off"})
    assert policies.explain("payments") == before


def test_a_change_is_shown_before_it_is_made(values):
    changed = values("--set", "timeouts.total=3s", "--set", "retry.max_attempts=4")
    assert changed["timeouts.total"] == ("3s", "argument")
    assert changed["retry.max_attempts"] == (4, "argument")
    assert values()["timeouts.total"][0] == "4s"


def test_a_change_is_on_top_of_file_environment_and_route(values, monkeypatch):
    monkeypatch.setenv(VARIABLE, "7")
    assert values("GET", "/charges/42", "--set", "retry.max_attempts=1")["retry.max_attempts"] == (1, "argument")


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("retry=off", "retry", "off"),
        ('retry="off"', "retry", "off"),
        ("breaker={ min_calls = 3 }", "breaker.min_calls", 3),
        (" redirects = 2 ", "redirects", 2),
        ("extends=batch", "timeouts.attempt", "2m"),
        ("base_url=https://other.internal/a=b", "base_url", "https://other.internal/a=b"),
        ("headers.X-Number=5", "headers.X-Number", "5"),
        ("headers.X.Dotted=a", "headers.X.Dotted", "a"),
        ("retry.budget.ratio=0.5", "retry.budget.ratio", 0.5),
    ],
)
def test_a_change_is_written_without_the_quotes_of_a_file(cli, file, change, key, value):
    arguments = ["--set", "timeouts={ attempt = 120, total = 900 }"] if "batch" in change else []
    ran = cli("explain", file, "payments", "--json", *arguments, "--set", change)
    assert ran.code == 0, ran.err
    told = {row["key"]: row["value"] for row in json.loads(ran.out)["values"]}
    assert told[key] == value


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (["timeouts.total"], "KEY=VALUE"),
        (["=3"], "KEY=VALUE"),
        (["timeouts..total=3"], "KEY=VALUE"),
        (["timeouts.total=3\n4"], "timeouts.total"),
        (["timeouts.[x]=3"], "KEY=VALUE"),
        (["headers.=3"], "not a header name"),
        (["routes=[]"], "routes"),
        (["timeouts.total=soon"], 'clients.payments.timeouts.total = "soon": not a duration'),
        (["timeouts.totl=3s"], "did you mean 'total'?"),
        (["timeouts.attempt=9s"], "attempt must not be longer than total"),
        (["retry=off", "retry.max_attempts=2"], "inside retry, which is set as a whole"),
        (["retry.max_attempts=2", "retry=off"], "retry is set as a whole and in parts"),
        (["redirects=1", "redirects.x=2"], "inside redirects"),
    ],
)
def test_a_change_that_is_wrong_is_one_line_and_2(cli, file, changes, named):
    ran = cli("explain", file, "payments", *(part for change in changes for part in ("--set", change)))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("resilient-client explain: ")
    assert ran.err.count("\n") == 1
    assert named in ran.err


# What is wrong.


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["payment"], "did you mean 'payments'?"),
        (["zzz"], "there are payments"),
        (["payments", "GET"], "PATH"),
        (["payments", "NO GOOD", "/charges"], "not an HTTP method"),
        (["payments", "CONNECT", "/charges"], "CONNECT"),
        (["payments", "GET", "charges"], "starts with a slash"),
        (["payments", "GET", ""], "starts with a slash"),
        (["payments", "GET", "https://payments.internal/charges"], "starts with a slash"),
        (["payments", "GET", "/charges", "/more"], "/more"),
        ([], "CLIENT"),
    ],
)
def test_what_is_asked_wrongly_is_one_line_and_2(cli, file, arguments, named):
    ran = cli("explain", file, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert named in ran.err


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_of_a_file_with_mistakes_they_are_told_on_stderr_and_nothing_is_explained(cli, written, as_json):
    file = written("[clients.payments]\nretri = 1\nredirects = -1\n")
    ran = cli("explain", file, "payments", *as_json)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == cli("check", file).out.splitlines()


# On a terminal.


def test_on_a_terminal_defaults_are_dim_and_choices_stand_out(on_terminal, file):
    shown = on_terminal("explain", file, "payments", "--set", "redirects=2", COLUMNS="160")
    lines = {line.split()[0]: line for line in shown.splitlines() if line.startswith("  ") and line.split()}
    assert f"{ESCAPE}[2mdefault " in lines["max_body"]
    assert f"{ESCAPE}[1;36m2 " in lines["retry.max_attempts"]
    assert f"{ESCAPE}[1;33m2 " in lines["redirects"]
    assert "at most 2 attempts, worst case" in shown
    assert "|===" in shown


def test_on_a_terminal_without_colours_it_is_the_plain_text(cli, on_terminal, file):
    shown = on_terminal("explain", file, "payments", NO_COLOR="1")
    assert shown.replace("\r\n", "\n") == cli("explain", file, "payments").out


def test_on_a_narrow_terminal_nothing_is_lost(on_terminal, file):
    shown = on_terminal("explain", file, "payments", COLUMNS="60")
    plain = "".join(part.partition("m")[2] if part[:1] == "[" else part for part in shown.split(ESCAPE))
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 60
    keys = {line.split()[0] for line in plain.splitlines() if line.startswith("  ") and line.split()}
    assert {row.key for row in load_policies(file).explain("payments").rows} <= keys


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}])
def test_on_a_terminal_a_file_cannot_steer_it(on_terminal, written, environment):
    file = written('[clients."a\\u001b[2J"]\n[presets."b\\u001b[2J"]\n')
    assert "\\x1b[2J" in on_terminal("explain", file, "a\x1b[2J", **environment)
    assert "\x1b[2J" not in on_terminal("explain", file, "a\x1b[2J", **environment)
