"""Wrong usage: exit code 2 and one line on stderr that names what is wrong."""

from __future__ import annotations

import pytest

from resilient_client import __version__

URL = "http://127.0.0.1:9/"
COMMANDS = ("call", "check", "explain", "init", "schema", "serve", "demo")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["call", "GET", "127.0.0.1/x"], "no scheme"),
        (["call", "GET", "ftp://127.0.0.1/"], "http or https"),
        (["call", "GET", "http://127.0.0.1:70000/"], "port"),
        (["call", "GET", "http:///x"], "host"),
        (["call", "GET", "http://me:secret@127.0.0.1/"], "--user"),
        (["call", "NO GOOD", URL], "method"),
        (["call", "GET"], "URL"),
        (["call", "GET", URL, "--nothing"], "--nothing"),
        (["call", "GET", URL, "-H", "no colon"], "--header"),
        (["call", "GET", URL, "-H", "a b: c"], "'a b'"),
        (["call", "GET", URL, "-H", "a: b\r\nc: d"], "CR"),
        (["call", "GET", URL, "--total", "soon"], "--total"),
        (["call", "GET", URL, "--total", "-1"], "total=-1"),
        (["call", "GET", URL, "--attempt", "5", "--total", "1"], "attempt=5"),
        (["call", "GET", URL, "--max-attempts", "0"], "max_attempts=0"),
        (["call", "GET", URL, "--redirects", "11"], "redirects=11"),
        (["call", "GET", URL, "--expect", "200,many"], "--expect"),
        (["call", "GET", URL, "--expect", "999"], "999"),
        (["call", "GET", URL, "--user", "me"], "--user"),
        (["call", "GET", URL, "--http2"], "--async"),
        (["call", "GET", URL, "--proxy", "nonsense"], "proxy='nonsense'"),
        (["call", "GET", URL, "--cacert", "/does/not/exist"], "/does/not/exist"),
        (["call", "GET", URL, "--cacert", "x", "--insecure"], "--insecure"),
        (["call", "POST", URL, "--data", "@/does/not/exist"], "/does/not/exist"),
        (["call", "POST", URL, "--json-body", "{"], "not JSON"),
        (["call", "POST", URL, "--json-body", "{}", "--data", "x"], "not both"),
        (["call", "GET", URL, "--output", "/does/not/exist"], "--output"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--tls", "broken"], "--tls"),
        (["serve", "--script", "/does/not/exist.py"], "/does/not/exist.py"),
        (["demo", "--seconds", "0.1"], "--seconds"),
        (["check"], "FILE"),
        (["check", "a.toml", "b.toml"], "b.toml"),
        (["explain", "a.toml"], "CLIENT"),
        (["schema", "a.toml"], "a.toml"),
        (["init", "a.toml", "b.toml"], "b.toml"),
        (["nothing"], "nothing"),
    ],
)
def test_one_line_names_what_is_wrong(cli, arguments, named):
    ran = cli(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("resilient-client")
    assert ran.err.count("\n") == 1
    assert named.lower() in ran.err.lower()


def test_without_a_command_there_is_help_and_2(cli):
    ran = cli()
    assert ran.code == 2
    assert all(f"  {command} " in ran.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_plain_and_0(cli, command):
    ran = cli(command, "--help")
    assert ran.code == 0
    assert f"Usage: resilient-client {command} " in ran.out
    assert "--help" in ran.out
    assert "\x1b" not in ran.out


def test_the_version(cli):
    assert cli("--version").out == f"resilient-client {__version__}\n"
