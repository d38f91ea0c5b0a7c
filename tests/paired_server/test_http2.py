"""HTTP/2: the same script over streams, each of which lives and dies on its own."""

from __future__ import annotations

import math
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from resilient_client.testing import steps
from resilient_client.testing.script import Close, Data, End, GoAway, Head, Pause, Raw, Reset
from resilient_client.testing.server import FaultServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from h2.events import Event

    from resilient_client.testing.script import Move, Step

LAST = 2**31 - 1


def moves(*played: Move) -> Step:
    return lambda _: played


class Streams:
    """An h2 client that shows events as they come. `reading` False leaves the flow-control windows shut."""

    def __init__(self, server: FaultServer, *, reading: bool = True) -> None:
        context = server.client_context()
        context.set_alpn_protocols(["h2"])
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self.sock = context.wrap_socket(sock, server_hostname="localhost")
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.reading = reading
        self.seen: list[Event] = []
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def ask(self, path: str, method: str = "GET", *, end: bool = True, fields: Any = ()) -> int:
        number = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":path", path), (":scheme", "https"), (":authority", "localhost"), *fields]
        self.h2.send_headers(number, head, end_stream=end)
        self.flush()
        return number

    def until(self, kind: type[Event], stream: int | None = None) -> Any:
        """Read until an event of `kind`, on `stream` when given, has been seen, and return it."""
        while True:
            for event in self.seen:
                if isinstance(event, kind) and stream in (None, getattr(event, "stream_id", None)):
                    return event
            data = self.sock.recv(65536)
            assert data, f"the connection ended before {kind.__name__}"
            for event in self.h2.receive_data(data):
                self.seen.append(event)
                if isinstance(event, DataReceived) and self.reading:
                    self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            self.flush()

    def body(self, stream: int) -> bytes:
        self.until(StreamEnded, stream)
        data = [event for event in self.seen if isinstance(event, DataReceived) and event.stream_id == stream]
        return b"".join(event.data or b"" for event in data)

    def ends(self) -> bool:
        """Read to the end of the connection."""
        while data := self.sock.recv(65536):
            self.seen += self.h2.receive_data(data)
        return True


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(http2=True) as running:
        yield running


@pytest.fixture
def streams(server: FaultServer) -> Iterator[Streams]:
    client = Streams(server)
    with client.sock:
        yield client


def test_a_client_without_h2_gets_http_1_1(server: FaultServer) -> None:
    with httpx.Client(verify=server.client_context()) as client:
        answer = client.get(server.url)
    assert (answer.http_version, answer.json()) == ("HTTP/1.1", {"status": "ok"})


def test_an_httpx_client_speaks_it(server: FaultServer) -> None:
    context = server.client_context()
    with httpx.Client(http2=True, verify=context) as client:
        answer = client.post(server.url + "/echo?x=1", content=b"hello", headers={"X-One": "1"})
        assert (answer.http_version, answer.json()["body"]) == ("HTTP/2", "hello")
        assert client.put(server.url + "/upload", content=b"x" * 200_000).json()["bytes"] == 200_000
        assert client.head(server.url + "/").status_code == 200
    seen = server.journal.requests[0]
    assert (seen.method, seen.path, seen.headers["x-one"]) == ("POST", "/echo", "1")
    assert seen.headers["host"] == f"localhost:{server.port}"
    server.journal.assert_connections(1)


def test_an_answer_has_status_fields_and_body(server: FaultServer, streams: Streams) -> None:
    server.on("/", steps.status(503, b"later", headers=[("Retry-After", "1"), ("Connection", "close")]))
    number = streams.ask("/")
    assert streams.body(number) == b"later"
    assert streams.until(ResponseReceived, number).headers == [(":status", "503"), ("retry-after", "1")]
    assert server.journal.requests[0].status == 503


def test_streams_are_answered_side_by_side(server: FaultServer, streams: Streams) -> None:
    server.on("/hang", steps.hang())
    server.on("/slow", moves(Head(200), Data(b"a"), Pause(0.05), Data(b"b"), End()))
    streams.ask("/hang")
    slow, quick = streams.ask("/slow"), streams.ask("/text")
    assert streams.body(quick) == b"ok"
    assert not any(isinstance(event, StreamEnded) and event.stream_id == slow for event in streams.seen)
    assert streams.body(slow) == b"ab"
    assert server.journal.in_progress == 1
    assert [seen.reused for seen in server.journal.requests] == [False, True, True]


def test_many_streams_at_once(server: FaultServer, streams: Streams) -> None:
    server.on("/slow", steps.text(after=0.1))
    numbers = [streams.ask("/slow") for _ in range(50)]
    assert {streams.body(number) for number in numbers} == {b"ok"}
    assert server.journal.most_at_once > 10


def test_a_body_longer_than_the_windows_is_sent_as_they_open(server: FaultServer, streams: Streams) -> None:
    content = bytes(range(256)) * 4000
    server.on("/long", steps.status(200, content))
    first, second = streams.ask("/long"), streams.ask("/long")
    assert streams.body(first) == content
    assert streams.body(second) == content


def test_an_endless_body_stops_at_the_window(server: FaultServer) -> None:
    server.on("/", steps.endless_body())
    client = Streams(server, reading=False)
    with client.sock:
        client.ask("/")
        server.journal.wait_until(lambda journal: journal.bytes_out > 60_000)
        with pytest.raises(AssertionError):
            server.journal.wait_until(lambda journal: journal.bytes_out > 100_000, timeout=0.2)


def test_head_has_no_body(server: FaultServer, streams: Streams) -> None:
    server.on("/endless", steps.endless_body())
    streams.ask("/endless", "HEAD")
    number = streams.ask("/text", "HEAD")
    assert streams.body(number) == b""


def test_an_upload_counts_its_frames(streams: Streams) -> None:
    number = streams.ask("/upload", "POST", end=False)
    for piece in (b"one", b"two"):
        streams.h2.send_data(number, piece)
    streams.h2.end_stream(number)
    streams.flush()
    assert streams.body(number) == b'{"bytes": 6, "chunks_seen": 2}'


def test_an_informational_answer_goes_first(server: FaultServer, streams: Streams) -> None:
    server.on("/", moves(Head(103), Head(200), End()))
    assert streams.body(streams.ask("/")) == b""
    assert server.journal.requests[0].status == 200


def test_status_zero_is_an_answer_without_status(server: FaultServer, streams: Streams) -> None:
    server.on("/", moves(Head(0, (("x", "1"),)), End()))
    streams.h2.config.validate_inbound_headers = False
    assert streams.until(ResponseReceived, streams.ask("/")).headers == [("x", "1")]


# Broken streams and connections.


@pytest.mark.parametrize(("step", "code"), [(steps.reset(), 0x2), (steps.refused_stream(), 0x7)])
def test_reset_ends_its_own_stream_only(server: FaultServer, streams: Streams, step: Step, code: int) -> None:
    server.on("/reset", step)
    server.on("/slow", steps.text(after=0.02))
    slow, broken = streams.ask("/slow"), streams.ask("/reset")
    assert streams.until(StreamReset, broken).error_code == code
    assert streams.body(slow) == b"ok"
    assert not server.journal.requests[1].aborted


def test_a_reset_in_the_body_comes_after_its_data(server: FaultServer, streams: Streams) -> None:
    server.on("/", moves(Head(200), Data(b"half"), Reset()))
    streams.until(StreamReset, streams.ask("/"))
    assert [event.data for event in streams.seen if isinstance(event, DataReceived)] == [b"half"]


@pytest.mark.parametrize("step", [steps.close(), moves(Raw(b"garbage")), moves(Head(200), Data(b"x"), Close())])
def test_close_and_raw_end_the_connection(server: FaultServer, streams: Streams, step: Step) -> None:
    server.on("/", step)
    server.on("/hang", steps.hang())
    streams.ask("/hang")
    streams.ask("/")
    assert streams.ends()
    server.journal.wait_until(lambda journal: journal.in_progress == 0)
    assert not any(seen.aborted for seen in server.journal.requests)


def test_goaway_says_what_was_not_processed_and_closes(server: FaultServer, streams: Streams) -> None:
    server.on("/", steps.goaway())
    streams.ask("/")
    event = streams.until(ConnectionTerminated)
    assert (event.last_stream_id, event.error_code) == (0, 0)
    assert streams.ends()
    assert server.journal.requests[0].status is None


def test_goaway_finishes_the_streams_it_names(server: FaultServer) -> None:
    server.on("/early", steps.text("early", after=0.1))
    server.on("/late", steps.goaway(last_stream=1))
    client = Streams(server)
    with client.sock:
        client.ask("/early")
        client.ask("/late")
        raw = b""
        while data := client.sock.recv(65536):
            raw += data
    assert b"early" in raw
    assert [seen.status for seen in server.journal.requests] == [200, None]


def test_goaway_may_let_its_own_answer_through(server: FaultServer) -> None:
    server.on("/", moves(GoAway(LAST), Head(200), Data(b"last words"), End()))
    client = Streams(server)
    with client.sock:
        client.ask("/")
        raw = b""
        while data := client.sock.recv(65536):
            raw += data
    assert b"last words" in raw


def test_a_reset_by_the_client_is_noticed(server: FaultServer, streams: Streams) -> None:
    server.on("/hang", steps.hang())
    number = streams.ask("/hang")
    server.journal.wait_until(lambda journal: journal.count() == 1)
    streams.h2.reset_stream(number, 0x8)
    streams.flush()
    server.journal.wait_until(lambda journal: journal.requests[0].reset_by_client)
    assert server.journal.requests[0].aborted
    assert streams.body(streams.ask("/text")) == b"ok"


def test_a_reset_by_the_client_stops_an_answer_that_waits_for_room(server: FaultServer) -> None:
    server.on("/", steps.endless_body())
    client = Streams(server, reading=False)
    with client.sock:
        number = client.ask("/")
        server.journal.wait_until(lambda journal: journal.bytes_out > 60_000)
        client.h2.reset_stream(number)
        client.flush()
        server.journal.wait_until(lambda journal: journal.in_progress == 0)


def test_a_reset_in_the_clients_own_upload_is_noticed(server: FaultServer, streams: Streams) -> None:
    number = streams.ask("/upload", "POST", end=False)
    streams.h2.reset_stream(number)
    streams.flush()
    server.journal.wait_until(lambda journal: journal.count() == 1 and journal.requests[0].reset_by_client)


@pytest.mark.parametrize("goodbye", [False, True], ids=["by closing", "with GOAWAY"])
def test_a_client_that_leaves_aborts_its_streams(server: FaultServer, streams: Streams, *, goodbye: bool) -> None:
    server.on("/hang", moves(Head(200), Pause(math.inf)))
    streams.ask("/hang")
    streams.ask("/upload", "POST", end=False)
    server.journal.wait_until(lambda journal: journal.count() == 2)
    if goodbye:
        streams.h2.close_connection()
        streams.flush()
    else:
        streams.sock.close()
    server.journal.wait_until(lambda journal: all(seen.aborted for seen in journal.requests))
    assert not any(seen.reset_by_client for seen in server.journal.requests)


def test_the_limit_of_streams_is_told() -> None:
    with FaultServer(http2=True, max_streams=3) as server:
        client = Streams(server)
        with client.sock:
            changed = client.until(RemoteSettingsChanged).changed_settings
    assert changed[SettingCodes.MAX_CONCURRENT_STREAMS].new_value == 3


def test_idle_connections_close(server: FaultServer, streams: Streams) -> None:
    assert streams.body(streams.ask("/text")) == b"ok"
    server.close_idle()
    assert streams.ends()


def test_a_connection_with_a_stream_in_progress_is_not_idle(server: FaultServer, streams: Streams) -> None:
    server.on("/slow", steps.text(after=0.05))
    slow = streams.ask("/slow")
    assert streams.body(streams.ask("/text")) == b"ok"
    server.close_idle()
    assert streams.body(slow) == b"ok"


def test_a_broken_script_or_client_is_a_problem() -> None:
    with FaultServer(http2=True, strict=False) as server:
        server.on("/", moves(Head(200), Head(200), End()))
        for attempt in ("script", "client"):
            client = Streams(server)
            with client.sock:
                if attempt == "script":
                    client.ask("/")
                else:
                    client.sock.sendall(bytes(9))  # DATA on stream 0
                assert client.ends()
    assert "stream 1 failed" in server.problems[0]
    assert "the client broke HTTP/2" in server.problems[1]


def test_stopping_ends_streams_in_progress(server: FaultServer, streams: Streams) -> None:
    server.on("/hang", steps.hang())
    for _ in range(10):
        streams.ask("/hang")
    server.journal.wait_until(lambda journal: journal.count() == 10)
    server.stop()
    assert server.journal.in_progress == 0
    assert not any(thread.name == "paired-server" for thread in threading.enumerate())
