"""`call --json`: one document with every key always there, and no credential in it."""

from __future__ import annotations

import base64
import json

import pytest

from resilient_client.testing import steps

KEYS = [
    *("ok", "kind", "message", "method", "url", "status", "headers", "body", "body_encoding", "body_file"),
    *("elapsed", "attempts", "stopped", "sent", "retry_after"),
]


@pytest.fixture
def document(cli):
    """Call with --json and return the document and the exit code."""

    def call(*arguments: object):
        ran = cli("call", *arguments, "--json")
        return json.loads(ran.out), ran.code

    return call


def test_a_success(document, fault_server):
    told, code = document("GET", f"{fault_server.url}/text")
    assert code == 0
    assert list(told) == KEYS
    assert (told["ok"], told["kind"], told["stopped"], told["sent"]) == (True, None, None, True)
    assert (told["method"], told["url"], told["status"]) == ("GET", f"{fault_server.url}/text", 200)
    assert (told["body"], told["body_encoding"]) == ("ok", "text")
    assert told["headers"]["content-type"] == "text/plain; charset=utf-8"
    assert [attempt["status"] for attempt in told["attempts"]] == [200]


def test_a_failure_with_an_answer(document, fault_server):
    fault_server.on("/", steps.retry_after(503, 60, body="later"))
    told, code = document("GET", fault_server.url)
    assert code == 1
    assert list(told) == KEYS
    assert (told["ok"], told["kind"], told["stopped"]) == (False, "server_error", "retry_after_too_long")
    assert (told["status"], told["body"], told["retry_after"]) == (503, "later", 60)


def test_a_failure_without_an_answer(document, fault_server):
    fault_server.down()
    told, code = document("GET", fault_server.url, "--max-attempts", 1)
    assert code == 1
    assert list(told) == KEYS
    assert (told["kind"], told["sent"], told["attempts"][0]["kind"]) == ("connect", False, "connect")
    assert told["status"] is told["headers"] is told["body"] is told["body_encoding"] is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b"])
def test_what_is_not_text_is_base64(document, fault_server, content):
    fault_server.on("/", steps.status(200, content))
    told, _ = document("GET", fault_server.url)
    assert told["body_encoding"] == "base64"
    assert base64.b64decode(told["body"]) == content


def test_an_empty_answer_has_no_fields_and_an_empty_body(document, fault_server):
    fault_server.on("/", steps.status(204))
    told, _ = document("GET", fault_server.url)
    assert told["headers"] == {}
    assert told["body"] == ""


def test_a_body_in_a_file_is_not_in_the_document(document, fault_server, tmp_path):
    file = tmp_path / "body"
    told, _ = document("GET", f"{fault_server.url}/text", "-o", file)
    assert told["body"] is None
    assert told["body_file"] == str(file)
    assert file.read_text() == "ok"


SECRET = "hunter2"


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_no_secret_of_url_or_answer_is_printed(cli, fault_server, as_json):
    fields = [("Set-Cookie", f"session={SECRET}"), ("X-Api-Key", SECRET), ("X-Plain", "seen")]
    fault_server.on("/", steps.status(500, headers=fields))
    ran = cli("call", "GET", f"{fault_server.url}/?token={SECRET}&page=2", "--max-attempts", 1, *as_json)
    assert SECRET not in ran.out + ran.err
    assert "page=2" in ran.out
    assert "seen" in ran.out


@pytest.mark.parametrize(
    "url", [f"http://me:{SECRET}@127.0.0.1/", f"ftp://host/?token={SECRET}", f"host?token={SECRET}"]
)
def test_no_secret_of_a_wrong_url_is_printed(cli, url):
    ran = cli("call", "GET", url)
    assert ran.code == 2
    assert SECRET not in ran.out + ran.err
