"""Well-behaved answers over HTTP/1.1: framing, keep-alive, bodies both ways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h11
import pytest

from resilient_client.testing import steps
from resilient_client.testing.http1_answer import HELD, Http1Answer
from resilient_client.testing.script import Data, End, Head, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from http.client import HTTPConnection

    from raw_peer import Peer

    from resilient_client.testing.script import Move, Received, Step
    from resilient_client.testing.server import FaultServer

    Browse = Callable[[FaultServer], HTTPConnection]
    Dial = Callable[[FaultServer], Peer]


def moves(*played: Move) -> Step:
    return lambda _: played


def test_the_default_routes_answer(server: FaultServer, browse: Browse) -> None:
    client = browse(server)
    client.request("GET", "/")
    home = client.getresponse()
    assert (home.status, home.headers["content-type"], json.load(home)) == (200, "application/json", {"status": "ok"})
    client.request("GET", "/text")
    text = client.getresponse()
    assert (text.headers["content-type"], text.read()) == ("text/plain; charset=utf-8", b"ok")
    client.request("PATCH", "/echo?a=1", body=b"hello", headers={"X-One": "1"})
    echoed = json.load(client.getresponse())
    assert (echoed["method"], echoed["target"], echoed["body"]) == ("PATCH", "/echo?a=1", "hello")
    assert ["X-One", "1"] in echoed["headers"]


def test_one_connection_carries_many_requests(server: FaultServer, browse: Browse) -> None:
    client = browse(server)
    for _ in range(3):
        client.request("GET", "/")
        client.getresponse().read()
    server.journal.assert_requests(3, "/")
    server.journal.assert_connections(1)
    assert [seen.reused for seen in server.journal.requests] == [False, True, True]


def test_a_scripted_route_comes_before_a_default_one(server: FaultServer, browse: Browse) -> None:
    server.on("/", steps.status(503), then=steps.text("scripted"))
    client = browse(server)
    client.request("GET", "/")
    assert client.getresponse().read() == b""
    client.request("GET", "/")
    assert client.getresponse().read() == b"scripted"
    assert [seen.status for seen in server.journal.requests] == [503, 200]
    assert [seen.number for seen in server.journal.requests] == [1, 2]


def test_steps_by_connection(server: FaultServer, browse: Browse) -> None:
    server.on("/", steps.text("first"), then=steps.text("later"), by="connection")
    bodies = []
    for client in (browse(server), browse(server)):
        for _ in range(2):
            client.request("GET", "/")
            bodies.append(client.getresponse().read())
    assert bodies == [b"first", b"first", b"later", b"later"]


def test_an_answer_known_whole_has_a_length_and_comes_in_one_piece(server: FaultServer, dial: Dial) -> None:
    peer = dial(server)
    for _ in range(20):
        heard = peer.get("/text").hear()
        assert heard.endswith(b"Content-Length: 2\r\n\r\nok")


def test_an_answer_with_a_pause_is_chunked(server: FaultServer, browse: Browse) -> None:
    server.on("/", moves(Head(200), Data(b"one "), Pause(0.001), Data(b""), Data(b"two"), End()))
    client = browse(server)
    for _ in range(2):
        client.request("GET", "/")
        answer = client.getresponse()
        assert (answer.headers["transfer-encoding"], answer.read()) == ("chunked", b"one two")
    server.journal.assert_connections(1)


def test_a_pause_before_the_head_changes_no_framing(server: FaultServer, browse: Browse) -> None:
    server.on("/", steps.text("late", after=0.001))
    client = browse(server)
    client.request("GET", "/")
    assert client.getresponse().headers["content-length"] == "4"


def test_framing_named_by_the_script_is_kept(server: FaultServer, dial: Dial) -> None:
    server.on("/length", moves(Head(200, (("content-length", "4"),)), Data(b"four"), End()))
    server.on("/chunked", moves(Head(200, (("transfer-encoding", "chunked"),)), Data(b"four"), End()))
    assert dial(server).get("/length", "Connection: close").hear_all().count(b"ength") == 1
    assert dial(server).get("/chunked", "Connection: close").hear_all().endswith(b"4\r\nfour\r\n0\r\n\r\n")


def test_head_has_the_fields_and_no_body(server: FaultServer, dial: Dial) -> None:
    server.on("/slow", moves(Head(200), Pause(0.001), Data(b"body"), End()))
    peer = dial(server)
    assert peer.get("/text", method="HEAD").hear().endswith(b"Content-Length: 2\r\n\r\n")
    assert peer.get("/slow", method="HEAD").hear().endswith(b"chunked\r\n\r\n")
    assert peer.get("/text").hear().endswith(b"ok")


def test_an_endless_body_asked_for_with_head_leaves_others_be(server: FaultServer, dial: Dial) -> None:
    server.on("/endless", steps.endless_body())
    dial(server).get("/endless", method="HEAD")
    assert dial(server).get("/text").hear().endswith(b"ok")


@pytest.mark.parametrize("code", [204, 304])
def test_a_status_without_body_has_neither_body_nor_length(server: FaultServer, dial: Dial, code: int) -> None:
    server.on("/none", steps.status(code, b"dropped"))
    heard = dial(server).get("/none", "Connection: close").hear_all()
    assert heard.endswith(b"\r\n\r\n")
    assert b"Length" not in heard
    assert b"chunked" not in heard


def test_an_informational_answer_goes_before_the_final_one(server: FaultServer, dial: Dial) -> None:
    server.on("/", moves(Head(103, (("Link", "</a>"),)), Head(200), End()))
    heard = dial(server).get("/", "Connection: close").hear_all()
    assert heard.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert server.journal.requests[0].status == 200


def test_the_connection_closes_when_either_side_says_so(server: FaultServer, dial: Dial) -> None:
    server.on("/bye", steps.status(200, b"bye", headers=[("Connection", "close")]))
    assert b"Connection: close" in dial(server).get("/text", "Connection: close").hear_all()
    assert dial(server).get("/bye").hear_all().endswith(b"bye")


def test_an_http_1_0_client_gets_a_body_that_ends_with_the_connection(server: FaultServer, dial: Dial) -> None:
    server.on("/", moves(Head(200), Data(b"one "), Pause(0.001), Data(b"two"), End()))
    heard = dial(server).say(b"GET / HTTP/1.0\r\n\r\n").hear_all()
    assert b"chunked" not in heard
    assert heard.endswith(b"\r\n\r\none two")


def test_a_request_sent_early_is_answered_in_turn(server: FaultServer, dial: Dial) -> None:
    peer = dial(server).get("/text").get("/text", "Connection: close")
    assert peer.hear_all().count(b"\r\n\r\nok") == 2
    server.journal.assert_never_more_at_once_than(1)


def test_a_long_body_is_sent_whole(server: FaultServer, browse: Browse) -> None:
    content = bytes(range(256)) * 20_000
    server.on("/long", steps.status(200, content))
    client = browse(server)
    client.request("GET", "/long")
    answer = client.getresponse()
    assert answer.headers["content-length"] == str(len(content))
    assert answer.read() == content


def test_a_chunked_upload_is_counted_by_its_chunks(server: FaultServer, browse: Browse) -> None:
    client = browse(server)
    client.request("PUT", "/upload", body=iter([b"one", b"two", b"three"]))
    assert json.load(client.getresponse()) == {"bytes": 11, "chunks_seen": 3}
    assert server.journal.requests[0].body == b"onetwothree"


def test_an_upload_with_a_length_is_one_chunk(server: FaultServer, browse: Browse) -> None:
    client = browse(server)
    client.request("POST", "/upload", body=b"x" * 300_000)
    assert json.load(client.getresponse()) == {"bytes": 300_000, "chunks_seen": 1}


def test_of_a_long_upload_only_the_start_is_kept(server: FaultServer, browse: Browse) -> None:
    client = browse(server)
    client.request("POST", "/upload", body=(b"x" * 1_000_000 for _ in range(12)))
    assert json.load(client.getresponse())["bytes"] == 12_000_000
    assert len(server.journal.requests[0].body) == 8 * 1024 * 1024


def test_expect_100_continue_is_answered_before_the_body(server: FaultServer, dial: Dial) -> None:
    peer = dial(server).say(b"POST /upload HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert peer.hear_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b'"bytes": 4' in peer.say(b"four").hear()


def test_the_journal_counts_bytes_both_ways(server: FaultServer, dial: Dial) -> None:
    heard = dial(server).get("/text", "Connection: close").hear_all()
    assert server.journal.bytes_out == len(heard)
    assert server.journal.bytes_in == len(b"GET /text HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")


def test_headers_arrive_as_sent(server: FaultServer, dial: Dial) -> None:
    dial(server).get("/", "traceparent: 00-ab-cd-01", "X-Request-Timeout-Ms: 250").hear()
    seen = server.journal.requests[0]
    assert (seen.headers["Traceparent"], seen.headers["x-request-timeout-ms"]) == ("00-ab-cd-01", "250")


def test_the_same_idempotency_key_takes_effect_once(server: FaultServer, browse: Browse) -> None:
    server.on("POST /charges", steps.short_body(), then=steps.status(201))
    for _ in range(2):
        client = browse(server)
        client.request("POST", "/charges", headers={"Idempotency-Key": "k1"})
        client.getresponse()
    server.journal.assert_requests(2)
    server.journal.assert_effects("k1", 1)


def test_a_step_that_runs_out_has_ended_its_answer(server: FaultServer, browse: Browse) -> None:
    def play(_: Received) -> Iterable[Move]:
        yield Head(200)
        yield Data(b"all")

    server.on("/", play)
    client = browse(server)
    client.request("GET", "/")
    assert client.getresponse().read() == b"all"


# The framing on its own, read back by h11.


def parsed(answer: Http1Answer, *, method: str = "GET") -> bytes:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "t")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer.take())
    body = b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        assert event is not h11.NEED_DATA
        body += bytes(event.data) if isinstance(event, h11.Data) else b""
    return body


def test_more_than_is_held_back_becomes_chunks() -> None:
    answer = Http1Answer("GET", last=False)
    answer.head(Head(200))
    answer.data(b"x" * HELD)
    assert answer.ready == 0
    answer.data(b"y")
    assert answer.ready > HELD
    answer.end()
    assert parsed(answer) == b"x" * HELD + b"y"


def test_a_broken_ending_leaves_the_answer_unfinished() -> None:
    answer = Http1Answer("GET", last=False)
    answer.head(Head(200))
    answer.data(b"half")
    answer.settle()
    assert answer.take().endswith(b"chunked\r\n\r\n4\r\nhalf\r\n")


def test_two_answers_can_be_glued_together() -> None:
    answer = Http1Answer("GET", last=False)
    for content in (b"one", b"two"):
        answer.head(Head(200))
        answer.data(content)
        answer.end()
    assert answer.take().count(b"Content-Length: 3\r\n\r\n") == 2


def test_an_unknown_status_has_no_phrase() -> None:
    answer = Http1Answer("GET", last=False)
    answer.head(Head(599))
    answer.end()
    assert answer.take().startswith(b"HTTP/1.1 599 \r\n")


def test_raw_bytes_come_after_what_was_held_back() -> None:
    answer = Http1Answer("GET", last=False)
    answer.head(Head(200, (("Content-Length", "1"),)))
    answer.data(b"a")
    answer.raw(b"RAW")
    assert answer.take().endswith(b"\r\n\r\naRAW")
