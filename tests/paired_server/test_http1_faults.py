"""Bad behaviour over HTTP/1.1, as a client's socket sees it."""

from __future__ import annotations

import gzip
import math
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest

from resilient_client.testing import steps
from resilient_client.testing.script import Close, Data, End, GoAway, Head, Pause, Reset
from resilient_client.testing.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from raw_peer import Peer

    from resilient_client.testing.journal import Journal
    from resilient_client.testing.script import Move, Received, Step

    Dial = Callable[[FaultServer], Peer]


def moves(*played: Move) -> Step:
    return lambda _: played


def test_close_is_an_end_without_a_byte(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.close())
    assert dial(server).get().hear() == b""
    assert not server.journal.requests[0].aborted


def test_goaway_means_close_here(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.goaway())
    assert dial(server).get().hear() == b""


def test_reset_is_seen_as_a_reset(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.reset())
    with pytest.raises(ConnectionResetError):
        dial(server).get().hear()
    assert not server.journal.requests[0].aborted


def test_a_reset_in_the_body_comes_after_what_was_sent(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.reset_in_body())
    peer = dial(server).get()
    assert peer.hear_until(b"half.").endswith(b"Content-Length: 10\r\n\r\nhalf.")
    with pytest.raises(ConnectionResetError):
        peer.hear()


def test_a_short_body_ends_before_its_length(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.short_body(promised=100, sent=b"only this"))
    assert dial(server).get().hear_all().endswith(b"Content-Length: 100\r\n\r\nonly this")


def test_an_unframed_body_cut_by_close_is_seen_to_be_cut(server: FaultServer, dial: Dial) -> None:
    server.on("/", moves(Head(200), Data(b"half"), Close()))
    assert dial(server).get().hear_all().endswith(b"chunked\r\n\r\n4\r\nhalf\r\n")


def test_an_answer_then_close_or_reset(server: FaultServer, dial: Dial) -> None:
    server.on("/close", steps.last_answer(steps.text()))
    server.on("/reset", moves(Head(200), Data(b"ok"), End(), Reset()))
    assert dial(server).get("/close").hear_all().endswith(b"ok")
    peer = dial(server).get("/reset")
    assert peer.hear_until(b"ok").endswith(b"ok")
    with pytest.raises(ConnectionResetError):
        peer.hear()


def test_raw_bytes_arrive_as_they_are(server: FaultServer, dial: Dial) -> None:
    server.on("/garbage", steps.garbage(b"\x00\xffNOT HTTP\r\n\r\n"))
    server.on("/forged", steps.second_answer())
    assert dial(server).get("/garbage").hear_all() == b"\x00\xffNOT HTTP\r\n\r\n"
    peer = dial(server).get("/forged")
    assert peer.hear_until(b"forged").count(b"HTTP/1.1 200 OK") == 2
    assert peer.get("/text").hear().endswith(b"ok")
    assert [seen.status for seen in server.journal.requests] == [None, None, 200]


def test_a_head_can_drip(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.drip_head(0.1, pieces=5))
    started = time.monotonic()
    heard = dial(server).get().hear_all()
    assert heard == steps.HEAD_BYTES
    assert time.monotonic() - started >= 0.09


def test_a_body_can_drip_byte_by_byte(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.drip_body(0.1, pieces=5))
    peer = dial(server).get()
    assert peer.hear_until(b"\r\n\r\n").endswith(b"Content-Length: 5\r\n\r\n")
    assert peer.hear_until(b".....") == b"....."


def test_what_is_known_goes_out_before_a_pause(server: FaultServer, dial: Dial) -> None:
    server.on("/", moves(Head(200), Data(b"first"), Pause(math.inf)))
    assert dial(server).get().hear_until(b"first\r\n").endswith(b"chunked\r\n\r\n5\r\nfirst\r\n")


def test_early_hints_come_before_the_answer(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.early_hints(2, then=steps.text("at last")))
    heard = dial(server).get().hear_until(b"at last")
    assert heard.count(b"HTTP/1.1 103 ") == 2
    assert heard.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("step", [steps.early_hints(None), steps.endless_head()])
def test_a_head_can_have_no_end(server: FaultServer, dial: Dial, step: Step) -> None:
    server.on("/", step)
    peer = dial(server).get()
    heard = b""
    while len(heard) < 1_000_000:
        heard += peer.hear()
    assert heard.startswith(b"HTTP/1.1 ")
    assert b" 200 OK\r\nContent" not in heard


def test_a_chunked_body_can_be_cut_inside_a_chunk_or_behind_one(server: FaultServer, dial: Dial) -> None:
    server.on("/inside", steps.cut_chunk())
    server.on("/behind", steps.no_last_chunk())
    assert dial(server).get("/inside").hear_all().endswith(b"\r\n\r\na\r\nonly")
    assert dial(server).get("/behind").hear_all().endswith(b"\r\n\r\nb\r\nas if whole\r\n")


def test_huge_headers_and_bombs_are_sent_whole(server: FaultServer, dial: Dial) -> None:
    server.on("/headers", steps.huge_headers(300_000))
    server.on("/gzip", steps.gzipped(b"hello"))
    assert len(dial(server).get("/headers").hear_all()) > 300_000
    head, _, body = dial(server).get("/gzip", "Connection: close").hear_all().partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == b"hello"


def test_an_endless_body_waits_for_its_reader(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.endless_body())
    peer = dial(server).get()
    server.journal.wait_until(lambda journal: journal.bytes_out > 100_000)
    peer.hear_until(b"\r\n\r\n")
    # Buffers of the kernel on both sides may fill, and no more: then sending stops.
    with pytest.raises(AssertionError):
        server.journal.wait_until(lambda journal: journal.bytes_out > 64_000_000, timeout=0.3)
    assert server.journal.in_progress == 1


def aborted(journal: Journal) -> bool:
    return bool(journal.requests) and journal.requests[0].aborted


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(steps.hang(), id="before the answer"),
        pytest.param(moves(Head(200), Data(b"x"), Pause(math.inf)), id="in a pause within the body"),
        pytest.param(steps.endless_body(), id="while sending"),
    ],
)
@pytest.mark.parametrize("reset", [False, True], ids=["by closing", "by a reset"])
def test_a_client_that_leaves_is_noticed(server: FaultServer, dial: Dial, step: Step, *, reset: bool) -> None:
    server.on("/", step)
    peer = dial(server).get()
    server.journal.wait_until(lambda journal: journal.count() == 1)
    if reset:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()
    server.journal.wait_until(aborted)
    server.journal.wait_until(lambda journal: journal.in_progress == 0)


def test_a_client_that_leaves_at_once_is_still_in_the_journal(server: FaultServer, dial: Dial) -> None:
    server.on("/", steps.hang())
    for count in range(1, 21):
        dial(server).get().sock.close()
        server.journal.wait_until(lambda journal, count=count: journal.count() == count)
    server.journal.wait_until(lambda journal: all(seen.aborted for seen in journal.requests))


def test_a_client_that_leaves_in_its_own_upload_aborts(server: FaultServer, dial: Dial) -> None:
    dial(server).say(b"POST /upload HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\nhalf").sock.close()
    server.journal.wait_until(aborted)
    assert server.journal.requests[0].status is None


def test_a_client_that_leaves_after_the_answer_aborts_nothing(server: FaultServer, dial: Dial) -> None:
    server.on("/", moves(Head(200), End(), Pause(math.inf)))
    peer = dial(server).get()
    peer.hear_until(b"\r\n\r\n")
    peer.sock.close()
    server.journal.wait_until(lambda journal: journal.in_progress == 0)
    assert not server.journal.requests[0].aborted


def test_a_connection_that_says_nothing_is_no_request(server: FaultServer, dial: Dial) -> None:
    dial(server).sock.close()
    dial(server).say(b"GET / HT").sock.close()
    server.journal.wait_until(lambda journal: journal.connections_opened == 2)
    server.journal.assert_requests(0)


def test_a_step_that_raises_resets_and_is_told_with_its_traceback(dial: Dial) -> None:
    def broken(_: Received) -> Iterable[Move]:
        yield Head(200)
        raise LookupError("no such order")

    with pytest.raises(AssertionError, match=r"(?s)step for GET /.*Traceback.*LookupError: no such order"):  # noqa: SIM117
        with FaultServer() as server:
            server.on("/", broken)
            with pytest.raises(ConnectionResetError):
                dial(server).get().hear_all()


def test_a_step_that_answers_nothing_is_a_problem(dial: Dial) -> None:
    with FaultServer(strict=False) as server:
        server.on("/", moves(Pause(0)))
        with pytest.raises(ConnectionResetError):
            dial(server).get().hear()
        assert server.problems == ["the step for GET / ended without an answer"]


def test_a_client_that_sends_no_http_is_a_problem(dial: Dial) -> None:
    with FaultServer(strict=False) as server:
        assert dial(server).say(b"\x16\x03\x01 hello\r\n\r\n").hear_all().startswith(b"HTTP/1.1 400 ")
        assert "sent no HTTP" in server.problems[0]


def test_a_goaway_in_the_middle_cuts_the_answer(server: FaultServer, dial: Dial) -> None:
    server.on("/", moves(Head(200, (("Content-Length", "4"),)), Data(b"ha"), GoAway()))
    assert dial(server).get().hear_all().endswith(b"\r\n\r\nha")
