"""What is taken apart here comes to what h11 makes of it: byte for byte, in whatever pieces, right or wrong."""

from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_client.wire.heads import MAX_HEAD
from resilient_client.wire.http1_answer import END, IncomingAnswer
from resilient_client.wire.http1_request import OutgoingRequest

HOST = (b"Host", b"shop.test")


def request(method: bytes = b"GET", *fields: tuple[bytes, bytes]) -> OutgoingRequest:
    outgoing = OutgoingRequest(method, b"/", [HOST, *fields])
    outgoing.end()
    return outgoing


def by_us(method: bytes, fields: list[tuple[bytes, bytes]], pieces: list[bytes]) -> Any:
    """Heads, body, how it went on, and whether another exchange may follow."""
    answer = IncomingAnswer(request(method, *fields))
    heads, body, left = [], b"", list(pieces)
    try:
        while not heads or heads[-1][0] < 200:
            while (head := answer.head()) is None:
                if not left or not left[0]:
                    return heads, body, "more", False
                answer.receive(left.pop(0))
            heads.append((head.status, head.fields, head.version, head.framed_twice))
            if head.status == 101:
                return heads, body, "switched", answer.beyond
        while True:
            while (piece := answer.body()) is None:
                if not left:
                    return heads, body, "more", False
                answer.receive(left.pop(0))
            if not piece:
                assert answer.part == END
                return heads, body, ("end", answer.trailers), answer.reusable
            body += piece
    except h11.RemoteProtocolError:
        return heads, body, "wrong", False


def by_h11(method: bytes, fields: list[tuple[bytes, bytes]], pieces: list[bytes]) -> Any:
    """The same, with h11 alone."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    parser.send(h11.Request(method=method, target=b"/", headers=[HOST, *fields]))
    parser.send(h11.EndOfMessage())
    heads, body, left = [], b"", list(pieces)
    try:
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                if not left or (not left[0] and parser.their_state is h11.SEND_RESPONSE):
                    return heads, body, "more", False
                parser.receive_data(left.pop(0))
            elif isinstance(event, (h11.Response, h11.InformationalResponse)):
                version = f"HTTP/{event.http_version.decode()}"
                twice = {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}
                heads.append((event.status_code, list(event.headers.raw_items()), version, twice))
                if event.status_code == 101:
                    return heads, body, "switched", bytes(parser.trailing_data[0])
            elif event is h11.PAUSED:
                return heads, body, "wrong", False
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                assert isinstance(event, h11.EndOfMessage)
                again = parser.their_state is h11.DONE and parser.our_state is h11.DONE and not parser.trailing_data[0]
                return heads, body, ("end", list(event.headers.raw_items())), again
    except h11.RemoteProtocolError:
        return heads, body, "wrong", False


def often(usual: Any, *others: Any) -> Any:
    """Nearly always the usual: an answer with five odd things about it shows only the first."""
    return st.integers(0, 29).flatmap(lambda drawn: st.sampled_from(others) if drawn == 13 else st.just(usual))


ENDS = often(b"\r\n", b"\n", b"\r", b" \r\n", b"\t\r\n", b"\r\n\r\n", b"\r\n ")
STATUSES = st.one_of(
    st.sampled_from([b"200", b"200", b"204", b"304", b"404"]),
    often(b"503", b"100", b"101", b"099", b"700", b"20", b"2000"),
)
VERSIONS = often(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.", b"http/1.1", b"ICY")
REASONS = often(b" OK", b"", b" ", b" Not Found ", b" \xe4", b" \x01", b"  two")
BODIES = st.one_of(st.sampled_from([b"", b"hello", b"0\r\n\r\n", b"x" * 300]), st.binary(max_size=40))
PLAIN = st.sampled_from(
    [
        *(
            b"Server: x",
            b"X-Empty:",
            b"X:\ty",
            b"x:  two  words",
            b"Set-Cookie: a=1",
            b"Set-Cookie: b=2",
            b"Date: today",
        ),
        *(
            b"Connection: close",
            b"connection: Keep-Alive",
            b"Connection: x, close",
            b"Keep-Alive: timeout=5",
            b"Upgrade: x",
        ),
    ]
)
ODD = st.sampled_from(
    [
        *(
            b"Bad Name: x",
            b": x",
            b"NoColon",
            b"X: a\x00b",
            b"X: a\x0bb",
            b"X: \xff",
            b"X\xff: a",
            b" folded",
            b"X: a\rb",
        ),
        *(
            b"Content-Length: 5",
            b"Content-Length: 05",
            b"Content-Length: 5, 5",
            b"Content-Length: +5",
            b"Content-Length: ",
        ),
        *(b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"Transfer-Encoding: gzip, chunked"),
        *(b"Content-Length: 999999999999999999999", b"Trailer: X", b"X: a ", b"X: a\t"),
    ]
)


@st.composite
def chunked(draw: Any, body: bytes) -> bytes:
    out, at = b"", 0
    while at < len(body):
        size = draw(st.integers(1, len(body) - at))
        head = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % size
        out += (
            head
            + draw(often(b"", b";a=b", b" ", b"g"))
            + draw(ENDS)
            + body[at : at + size]
            + draw(often(b"\r\n", b"\n", b"xx"))
        )
        at += size
    return out + draw(often(b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"00\r\n\r\n", b"0\r\n", b"", b"0\n\n", b"-1\r\n\r\n"))


@st.composite
def answers(draw: Any) -> bytes:
    """An answer that most often has one thing odd about it at most."""
    body = draw(BODIES)
    framing = draw(st.sampled_from([b"length", b"length", b"chunks", b"chunks", b"none"]))
    lines = draw(st.lists(st.one_of(PLAIN, PLAIN, PLAIN, ODD), max_size=4))
    if framing == b"length":
        lines.insert(draw(st.integers(0, len(lines))), b"Content-Length: %d" % len(body))
    elif framing == b"chunks":
        lines.insert(draw(st.integers(0, len(lines))), b"Transfer-Encoding: chunked")
        body = draw(chunked(body))
    interim = draw(
        st.sampled_from([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"])
    )
    first = draw(VERSIONS) + b" " + draw(STATUSES) + draw(REASONS) + draw(ENDS)
    head = first + b"".join(line + draw(ENDS) for line in lines) + draw(often(b"\r\n", b"\n", b"\r"))
    return interim + head + body + draw(often(b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n", b"x"))


@st.composite
def in_pieces(draw: Any) -> list[bytes]:
    whole = draw(answers())
    whole_head = whole.find(b"\r\n\r\n") + 4  # most heads come in one piece
    cuts = sorted(draw(st.lists(st.integers(draw(often(min(whole_head, len(whole)), 0)), len(whole)), max_size=4)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    pieces = [piece for piece in pieces if piece]
    return pieces if draw(st.booleans()) else [*pieces, b""]


@settings(max_examples=600)
@given(
    pieces=in_pieces(),
    method=st.sampled_from([b"GET", b"HEAD", b"CONNECT"]),
    about=st.sampled_from([(), ((b"Connection", b"close"),)]),
)
def test_every_answer_comes_to_what_h11_makes_of_it(pieces: list[bytes], method: bytes, about: Any) -> None:
    assert by_us(method, list(about), pieces) == by_h11(method, list(about), pieces)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE_ODD_THING = {
    "a switch": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nbytes",
    "both lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, and no body": b"HTTP/1.1 204 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "no length": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "two lengths that agree": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
    "two lengths that do not": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a length in an interim answer": b"HTTP/1.1 103 Early\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 OK\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n",
    "a chunk that is too short": CHUNKED + b"5\r\nhell\r\n0\r\n\r\n",
    "no last chunk": CHUNKED + b"5\r\nhello\r\n",
    "an extension": CHUNKED + b"5\r\nhello\r\n3;a=b\r\nyou\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "a huge chunk": CHUNKED + b"fffffffff\r\nhello",
    "bare line ends": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "a folded line": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    "an old version": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"CONNECT"])
@pytest.mark.parametrize("end", [[], [b""]], ids=["open", "closed"])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("answer", ONE_ODD_THING.values(), ids=ONE_ODD_THING)
def test_an_answer_with_one_odd_thing_comes_to_the_same(
    answer: bytes, size: int, end: list[bytes], method: bytes
) -> None:
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    for about in ([], [(b"Connection", b"Upgrade"), (b"Upgrade", b"x")]):
        assert by_us(method, about, pieces + end) == by_h11(method, about, pieces + end)


SENT_FIELDS = st.lists(
    st.sampled_from(
        [
            *(
                (b"Accept", b"*/*"),
                (b"X", b""),
                (b"X", b" a"),
                (b"X", b"a "),
                (b"X", b"\ta"),
                (b"X", b"a:  b"),
                (b"X", b"\xe4"),
            ),
            *(
                (b"X", b"a\r\nY: b"),
                (b"X", b"a\nb"),
                (b"X", b"a\x00"),
                (b"X", b"a\x01"),
                (b"a:b", b"c"),
                (b"", b"x"),
                (b"a b", b"c"),
            ),
            *(
                (b"Content-Length", b"3"),
                (b"content-length", b"x"),
                (b"Content-Length", b"-1"),
                (b"Transfer-Encoding", b"chunked"),
            ),
            *(
                (b"Transfer-Encoding", b"gzip"),
                (b"Connection", b"close"),
                (b"Upgrade", b"x"),
                (b"host", b"other"),
                HOST,
                HOST,
                HOST,
            ),
        ]
    ),
    max_size=4,
)


def written(send: Any) -> Any:
    try:
        return send()
    except h11.LocalProtocolError:
        return "refused"


@settings(max_examples=600)
@given(
    method=often(b"GET", b"POST", b"BAD METHOD", b"", b"G\r\n"),
    target=often(b"/", b"/a?b=c", b"", b"/a b", b"/\xe4", b"/\r\nX: y"),
    first=often([HOST], []),
    fields=SENT_FIELDS,
    pieces=st.lists(st.sampled_from([b"abc", b"", b"a", b"bc"]), max_size=3),
)
def test_every_request_is_written_or_refused_as_h11_would(
    method: bytes, target: bytes, first: Any, fields: Any, pieces: list[bytes]
) -> None:
    def ours() -> bytes:
        outgoing = OutgoingRequest(method, target, first + fields)
        return outgoing.head + b"".join(map(outgoing.piece, pieces)) + outgoing.end()

    def theirs() -> bytes:
        parser = h11.Connection(h11.CLIENT)
        events = [
            h11.Request(method=method, target=target, headers=first + fields),
            *(h11.Data(data=piece) for piece in pieces),
            h11.EndOfMessage(),
        ]
        return b"".join(parser.send(event) or b"" for event in events)

    assert written(ours) == written(theirs)


ORDINARY = [
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 \r\nContent-Length: 0\r\nKeep-Alive: timeout=5\r\n\r\n",
]


@pytest.mark.parametrize("answer", ORDINARY)
def test_an_ordinary_exchange_needs_no_h11(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h11, "Connection", None)
    heads, _, (how, _), again = by_us(b"GET", [(b"Accept", b"*/*")], [answer])
    assert (heads[-1][0], how, again) == (int(answer.rsplit(b"HTTP/1.1 ")[-1][:3]), "end", True)


def test_pieces_of_a_long_body_are_handed_on_as_they_came() -> None:
    answer = IncomingAnswer(request())
    answer.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    assert answer.head() is not None
    piece = b"x" * 50_000
    answer.receive(piece)
    assert answer.body() is piece
    answer.receive(piece + b"HTTP/1.1 200 OK")
    assert (answer.body(), answer.body(), answer.beyond, answer.reusable) == (piece, b"", b"HTTP/1.1 200 OK", False)
