"""`download` as a person and as a program see it: the file, what is said of it, and how the next command goes on."""

from __future__ import annotations

import hashlib
import json
import random
import re
import signal

import pytest

from resilient_client.cli.asked import ONE_DOWNLOAD, policy_for
from resilient_client.cli.download import name_of
from resilient_client.policy import Retry, Timeouts
from resilient_client.testing import steps

CONTENT = random.Random(5).randbytes(5000)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_goes_to_where_it_was_told_to(cli, fault_server, here):
    fault_server.on("/f", steps.file(CONTENT))
    ran = cli("download", f"{fault_server.url}/f", "file.bin")
    assert ran.code == 0
    assert ran.out.startswith(f"GET {fault_server.url}/f succeeded: 200 OK, 1 attempt in ")
    assert ran.out.endswith("5000 bytes in file.bin\n")
    assert ran.err == ""
    assert (here / "file.bin").read_bytes() == CONTENT


def test_without_a_path_it_is_named_as_the_last_part_of_the_url(cli, fault_server, here):
    fault_server.on("/a/tea%20list.csv", steps.file(CONTENT))
    ran = cli("download", f"{fault_server.url}/a/tea%20list.csv?v=1")
    assert ran.out.endswith("5000 bytes in tea list.csv\n")
    (here / "into").mkdir()
    assert cli("download", f"{fault_server.url}/a/tea%20list.csv", "into").code == 0
    assert (here / "into" / "tea list.csv").read_bytes() == CONTENT


def test_what_the_server_calls_it_decides_nothing(cli, fault_server, here):
    named = [("Content-Disposition", 'attachment; filename="../evil"')]
    fault_server.on("/f", steps.status(200, b"x", headers=named))
    cli("download", f"{fault_server.url}/f")
    assert [entry.name for entry in here.iterdir()] == ["f"]


@pytest.mark.parametrize("path", ["", "/", "/a/", "/..", "/%2e%2e", "/.bashrc", "/a%2fb", "/a%5cb", "/a%0ab", "/a%00b"])
def test_a_last_part_that_is_no_name_is_wrong_usage(cli, path):
    ran = cli("download", f"http://127.0.0.1:9{path}")
    assert (ran.code, ran.out) == (2, "")
    assert "PATH" in ran.err


def test_a_url_that_has_a_name_keeps_it():
    assert name_of("http://a/b/c.tar.gz?x=/y#z") == "c.tar.gz"


def test_redirects_are_followed_and_a_body_that_dies_is_gone_on_with(cli, fault_server, here):
    fault_server.on("/f", steps.redirect("/real"))
    fault_server.on("/real", steps.file(CONTENT, cut_after=2000), then=steps.file(CONTENT))
    digest = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
    ran = cli("download", f"{fault_server.url}/f", "--digest", digest)
    assert ran.code == 0
    assert ran.out.endswith("5000 bytes in f, 2000 of them from earlier attempts\n")
    assert (here / "f").read_bytes() == CONTENT


def test_what_a_failed_command_left_the_next_one_goes_on_with(cli, fault_server, here):
    fault_server.on("/f", steps.file(CONTENT, cut_after=2000), then=steps.file(CONTENT))
    ran = cli("download", f"{fault_server.url}/f", "--max-attempts", 1)
    assert ran.code == 1
    assert "failed: truncated" in ran.out
    assert ran.out.endswith("2000 bytes are in f.part; the same command goes on with them\n")
    assert cli("download", f"{fault_server.url}/f").out.endswith("2000 of them from earlier attempts\n")
    assert (here / "f").read_bytes() == CONTENT


def test_a_failure_without_a_byte_says_nothing_of_bytes(cli, fault_server, here):
    fault_server.on("/f", steps.status(404, "none"))
    ran = cli("download", f"{fault_server.url}/f")
    assert ran.code == 1
    assert "404" in ran.out
    assert "bytes" not in ran.out
    assert list(here.iterdir()) == []


def test_a_wrong_digest_exits_with_1_and_leaves_nothing(cli, fault_server, here):
    fault_server.on("/f", steps.file(CONTENT))
    ran = cli("download", f"{fault_server.url}/f", "--digest", "md5:" + "0" * 32)
    assert ran.code == 1
    assert "digest" in ran.out
    assert list(here.iterdir()) == []


def test_json_says_where_it_is(cli, fault_server):
    fault_server.on("/f", steps.file(CONTENT))
    told = json.loads(cli("download", f"{fault_server.url}/f", "--json", "--async").out)
    assert (told["ok"], told["path"], told["size"], told["resumed"], told["digest"]) == (True, "f", 5000, 0, None)
    assert (told["body"], told["body_file"]) == (None, "f")
    fault_server.on("/f", steps.status(404, "none"))
    told = json.loads(cli("download", f"{fault_server.url}/f", "--json").out)
    assert (told["ok"], told["path"], told["size"], told["body"]) == (False, None, None, "none")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "URL"),
        (["http://127.0.0.1:9/f", "a", "b"], "URL [PATH]"),
        (["127.0.0.1/f"], "no scheme"),
        (["http://me:secret@127.0.0.1/f"], "--user"),
        (["http://127.0.0.1:9/f", "none/f"], "no directory"),
        (["http://127.0.0.1:9/f", "--digest", "abc"], "digest="),
        (["http://127.0.0.1:9/f", "--http2"], "--async"),
        (["http://127.0.0.1:9/f", "-H", "Range: bytes=0-"], "Range"),
        (["--policies", "none.toml", "http://127.0.0.1:9/f"], "CLIENT URL"),
    ],
)
def test_one_line_names_what_is_wrong(cli, arguments, named, here):
    ran = cli("download", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.err
    assert ran.err.count("\n") == 1
    assert list(here.iterdir()) == []


def test_no_overwrite_leaves_what_is_there(cli, fault_server, here):
    (here / "f").write_bytes(b"before")
    ran = cli("download", f"{fault_server.url}/f", "--no-overwrite")
    assert ran.code == 2
    assert "overwrite" in ran.err
    assert (here / "f").read_bytes() == b"before"


def test_its_policy_has_no_end_in_time_and_many_attempts():
    policy = policy_for({"total": None, "attempt": None, "connect": None}, None, None, ONE_DOWNLOAD)
    assert policy.timeouts == Timeouts(total=None)
    assert (policy.retry.max_attempts, policy.redirects, policy.breaker, policy.bulkhead) == (10, 10, None, None)
    policy = policy_for({"total": 5.0, "attempt": None, "connect": None}, 2, 0, ONE_DOWNLOAD)
    assert policy.timeouts == Timeouts(total=5.0)
    assert policy.retry == Retry(max_attempts=2, wait_max=30, budget=None)
    assert policy.redirects == 0


def test_a_client_of_a_policy_file_downloads(cli, fault_server, written, here):
    fault_server.on("/files/f", steps.file(CONTENT))
    file = written(f"""
        [clients.mirror]
        base_url = "{fault_server.url}/files"
        headers = {{ X-One = "1" }}
        max_body = 4999
    """)
    ran = cli("download", "--policies", file, "mirror", "/f")
    assert ran.code == 1
    assert "too_large" in ran.out
    file.write_text(file.read_text().replace("4999", "5000"))
    assert cli("download", "--policies", file, "mirror", "/f").code == 0
    assert fault_server.journal.requests[-1].headers["x-one"] == "1"
    assert (here / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("more", [(), ("--async",)], ids=["threads", "tasks"])
def test_ctrl_c_leaves_a_part_and_says_so(spawn, cli, fault_server, here, more):
    fault_server.on("/f", steps.file(CONTENT, piece=500, every=0.3), then=steps.file(CONTENT))
    ran = spawn("download", f"{fault_server.url}/f", here / "f", *more)
    fault_server.journal.wait_until(lambda journal: journal.bytes_out > 1000, timeout=60)
    ran.send(signal.SIGINT)
    ended = ran.end()
    assert ended.code == 130
    said = re.fullmatch(r"interrupted; (\d+) bytes are in .*/f.part; the same command goes on with them\n", ended.err)
    assert said is not None, ended.err
    assert 0 < int(said[1]) < 5000
    assert f"{said[1]} of them from earlier attempts" in cli("download", f"{fault_server.url}/f", here / "f").out
    assert (here / "f").read_bytes() == CONTENT


def test_a_terminal_sees_a_bar_that_is_gone_at_the_end(on_terminal, fault_server, here):
    fault_server.on("/f", steps.file(CONTENT * 100, piece=50_000, every=0.05))
    shown = on_terminal("download", f"{fault_server.url}/f", here / "\x1b[31mf")
    assert "kB" in shown or "KiB" in shown
    assert "\\x1b[31mf" in shown
    assert "500000 bytes in" in shown.splitlines()[-1]
