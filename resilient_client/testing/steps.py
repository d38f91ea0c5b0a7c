"""The steps a script is written with: good answers, and every way of being a bad server.

Each function returns a step. `after=` is how long the server thinks before it answers, in seconds.
"""

from __future__ import annotations

import gzip
import hashlib
import json as jsonlib
import random
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from email.utils import format_datetime
from itertools import count, repeat
from math import inf
from typing import TYPE_CHECKING, Any

from resilient_client.testing.ranges import Served, served
from resilient_client.testing.script import (
    Chance,
    Close,
    Data,
    Early,
    End,
    GoAway,
    Head,
    Move,
    Pause,
    Raw,
    Received,
    Reset,
)

if TYPE_CHECKING:
    from datetime import datetime

    from resilient_client.testing.script import Step
    from resilient_client.testing.talk import Conversation

Fields = Iterable[tuple[str, str]]

HEAD_BYTES = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def _play(*moves: Move) -> Step:
    return lambda _: moves


def status(code: int, body: bytes | str = b"", *, headers: Fields = (), after: float = 0.0) -> Step:
    """Answer `code` with `body` and `headers`."""
    content = body.encode() if isinstance(body, str) else body
    return _play(Pause(after), Head(code, tuple(headers)), Data(content), End())


def ok(json: Any = None, *, after: float = 0.0) -> Step:
    """Answer 200 with `json`, or `{"status": "ok"}`."""
    content = jsonlib.dumps({"status": "ok"} if json is None else json).encode()
    return status(200, content, headers=[("Content-Type", "application/json")], after=after)


def text(content: str = "ok", *, after: float = 0.0) -> Step:
    """Answer 200 with `content` as UTF-8 text."""
    return status(200, content, headers=[("Content-Type", "text/plain; charset=utf-8")], after=after)


def retry_after(code: int, value: float | str | datetime, *, body: str = "") -> Step:
    """Answer `code` with a Retry-After of seconds, an HTTP date, or any text."""
    if isinstance(value, (int, float)):
        shown = f"{value:g}"
    else:
        shown = value if isinstance(value, str) else format_datetime(value, usegmt=True)
    return status(code, body, headers=[("Retry-After", shown)])


def redirect(location: str, code: int = 302) -> Step:
    """Answer with a redirect to `location`."""
    return status(code, headers=[("Location", location)])


def echo(*, after: float = 0.0) -> Step:
    """Answer with what was received, as JSON: method, target, headers and body."""

    def play(request: Received) -> Iterator[Move]:
        seen = {
            "method": request.method,
            "target": request.target,
            "headers": [list(pair) for pair in request.headers.pairs],
            "body": request.body.decode("latin-1"),
        }
        yield Pause(after)
        yield Head(200, (("Content-Type", "application/json"),))
        yield Data(jsonlib.dumps(seen).encode())
        yield End()

    return play


def early(step: Step, *, after: int = 0) -> Step:
    """Answer as `step` does when `after` bytes of the body have come, before the client has sent the rest."""
    return Early(step, after)


def chance(probability: float, step: Step, otherwise: Step, *, seed: int) -> Step:
    """Take `step` with `probability`, else `otherwise`; the same `seed` gives the same run."""
    return Chance(probability, step, otherwise, random.Random(seed))  # noqa: S311 - repeatable on purpose


def flapping(*steps: Step) -> Step:
    """Take `steps` in turn, over and over."""
    return lambda request: steps[(request.number - 1) % len(steps)](request)


def require_digest(realm: str = "test", nonce: str = "abc123", then: Step | None = None) -> Step:
    """Answer 401 with a digest challenge until a request carries an answer to it."""
    welcome = then or ok()

    def play(request: Received) -> Iterable[Move]:
        if (request.headers.get("authorization") or "").startswith("Digest "):
            return welcome(request)
        challenge = f'Digest realm="{realm}", nonce="{nonce}", qop="auth", algorithm=SHA-256'
        return status(401, headers=[("WWW-Authenticate", challenge)])(request)

    return play


def file(
    content: bytes,
    *,
    etag: str | None = "",
    last_modified: str | None = None,
    ranges: bool = True,
    cut_after: int | None = None,
    piece: int = 65536,
    every: float = 0.0,
) -> Step:
    """Serve `content` as a file: whole, or the part that Range and If-Range ask for.

    `etag` is sent as it is given; by default it is made from the content, and with None there is none. `ranges=False`
    ignores Range. `cut_after` closes the connection after so many bytes of body. The body goes in pieces of `piece`
    bytes, with `every` seconds before each.
    """
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"' if etag == "" else etag
    known = [("ETag", tag), ("Last-Modified", last_modified), ("Accept-Ranges", "bytes" if ranges else "none")]
    named = tuple((name, value) for name, value in known if value is not None)

    def play(request: Received) -> Iterator[Move]:
        sent = Served(200, (), 0, len(content))
        if ranges:
            sent = served(request.headers, len(content), etag=tag, last_modified=last_modified)
        size = sent.end - sent.start
        end = sent.end if cut_after is None else min(sent.end, sent.start + cut_after)
        yield Head(sent.status, (*named, *sent.fields, ("Content-Length", str(size))))
        for start in range(sent.start, end, piece):
            yield Pause(every)
            yield Data(content[start : min(end, start + piece)])
        yield Close() if end < sent.end else End()

    return play


def websocket(
    conversation: Conversation | None = None,
    *,
    subprotocol: str | None = None,
    headers: Fields = (),
    after: float = 0.0,
) -> Step:
    """Open a WebSocket and have a `conversation` on it, by default an echo; see `resilient_client.testing.talk`.

    `headers` replace those of a good handshake that have the same name.
    """
    try:
        from resilient_client.testing import talk  # noqa: PLC0415 - wsproto is an optional dependency
    except ModuleNotFoundError as missing:
        raise ImportError("steps.websocket() needs wsproto: install resilient-client[testing]") from missing
    from resilient_client.wire.websockets.handshake import accept_of  # noqa: PLC0415

    def play(request: Received) -> Iterator[Move]:
        accept = accept_of((request.headers.get("sec-websocket-key") or "").encode("latin-1")).decode()
        good = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
        if subprotocol is not None:
            good.append(("Sec-WebSocket-Protocol", subprotocol))
        own = {name.lower() for name, _ in headers}
        yield Pause(after)
        yield Head(101, (*(pair for pair in good if pair[0].lower() not in own), *headers))
        opened = talk.Talk(subprotocol)
        with suppress(talk.Over):
            yield from (conversation or talk.echo)(opened)
        yield from opened.close()

    return play


# Silence and slowness.


def hang() -> Step:
    """Take the request and never answer."""
    return _play(Pause(inf))


def drip_head(seconds: float, *, pieces: int = 20) -> Step:
    """Send a complete answer whose head takes `seconds`, a few bytes at a time."""
    size = max(1, len(HEAD_BYTES) // pieces)
    moves: list[Move] = []
    for start in range(0, len(HEAD_BYTES), size):
        moves += [Pause(seconds * size / len(HEAD_BYTES)), Raw(HEAD_BYTES[start : start + size])]
    return _play(*moves, Close())


def drip_body(seconds: float, *, pieces: int = 40) -> Step:
    """Send the head at once and the body over `seconds`, one byte at a time."""
    moves: list[Move] = [Head(200, (("Content-Length", str(pieces)),))]
    for _ in range(pieces):
        moves += [Pause(seconds / pieces), Data(b".")]
    return _play(*moves, End())


def early_hints(times: int | None, *, every: float = 0.0, then: Step | None = None) -> Step:
    """Send `times` informational answers (103), one `every` so many seconds, then answer; None: never stop."""
    answer = then or text()

    def play(request: Received) -> Iterator[Move]:
        for _ in range(times) if times is not None else repeat(None):
            yield Pause(every)
            yield Head(103, (("Link", "</style.css>; rel=preload"),))
        yield from answer(request)

    return play


def endless_head(*, every: float = 0.0) -> Step:
    """Send header fields for ever."""

    def play(_: Received) -> Iterator[Move]:
        yield Raw(b"HTTP/1.1 200 OK\r\n")
        for number in count():
            yield Pause(every)
            yield Raw(b"X-Field-%d: %s\r\n" % (number, b"x" * 100))

    return play


def endless_body(*, piece: bytes = b"x" * 65536, every: float = 0.0) -> Step:
    """Send body for ever."""

    def play(_: Received) -> Iterator[Move]:
        yield Head(200, (("Transfer-Encoding", "chunked"),))
        while True:
            yield Pause(every)
            yield Data(piece)

    return play


# Broken connections.


def close(*, after: float = 0.0) -> Step:
    """Close the connection without a byte of answer."""
    return _play(Pause(after), Close())


def reset(*, after: float = 0.0, code: int = 0x2) -> Step:
    """Reset the connection (on HTTP/2 the stream, with `code`) without a byte of answer."""
    return _play(Pause(after), Reset(code))


def refused_stream() -> Step:
    """HTTP/2: refuse the stream, so that the client knows it was not processed (RFC 9113, section 8.7)."""
    return reset(code=0x7)


def goaway(last_stream: int = 0) -> Step:
    """HTTP/2: send GOAWAY naming the last stream that is processed."""
    return _play(GoAway(last_stream))


def short_body(*, promised: int = 100, sent: bytes = b"only this") -> Step:
    """Promise `promised` bytes, send fewer, close."""
    return _play(Head(200, (("Content-Length", str(promised)),)), Data(sent), Close())


def reset_in_body() -> Step:
    """Send half of a body, then reset."""
    return _play(Head(200, (("Content-Length", "10"),)), Data(b"half."), Reset())


def last_answer(step: Step) -> Step:
    """Answer as `step` does as if the connection stayed open, then close it."""

    def play(request: Received) -> Iterator[Move]:
        yield from step(request)
        yield Close()

    return play


# Not HTTP, or HTTP that lies.


def garbage(content: bytes = b"\x00\xffNOT HTTP AT ALL\r\n\r\n") -> Step:
    """Send bytes that are no HTTP."""
    return _play(Raw(content), Close())


def http09(content: bytes = b"<html>hello</html>") -> Step:
    """Answer as HTTP/0.9 did: a body without a head."""
    return _play(Raw(content), Close())


def bad_chunk() -> Step:
    """Send a chunk whose size is no number."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return _play(Raw(head + b"5\r\nhello\r\nZZ\r\nworld\r\n"), Close())


def cut_chunk() -> Step:
    """Close in the middle of a chunk."""
    return _play(Head(200, (("Transfer-Encoding", "chunked"),)), Raw(b"a\r\nonly"), Close())


def no_last_chunk() -> Step:
    """Send whole chunks and close before the one that ends the body."""
    return _play(Head(200, (("Transfer-Encoding", "chunked"),)), Data(b"as if whole"), Close())


def contradicting_lengths() -> Step:
    """Send two different Content-Length fields."""
    return _play(Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello"), Close())


def length_and_chunked() -> Step:
    """Send both Content-Length and Transfer-Encoding, the mark of request smuggling."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    return _play(Raw(head + b"5\r\nhello\r\n0\r\n\r\n"), Close())


def second_answer(forged: bytes = b"forged") -> Step:
    """Glue an answer nobody asked for to the end of a good one, on a connection left open."""
    extra = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(forged), forged)
    return _play(Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + extra), End())


def huge_headers(size: int = 200_000) -> Step:
    """Send a header field of `size` bytes."""
    return _play(Raw(b"HTTP/1.1 200 OK\r\nX-Huge: " + b"h" * size + b"\r\nContent-Length: 0\r\n\r\n"), Close())


# Content that does not decode, or decodes to too much.


def _coded(content: bytes, coding: str) -> Step:
    return status(200, content, headers=[("Content-Encoding", coding)])


def gzipped(content: bytes = b"hello " * 100) -> Step:
    """Answer with a good gzip body."""
    return _coded(gzip.compress(content), "gzip")


def deflated(content: bytes = b"hello " * 100, *, raw: bool = False) -> Step:
    """Answer with a deflate body: zlib-wrapped as the RFC says, or raw as some servers do."""
    coder = zlib.compressobj(wbits=-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    return _coded(coder.compress(content) + coder.flush(), "deflate")


def cut_gzip(content: bytes = b"hello " * 100) -> Step:
    """Answer with a gzip stream that stops half-way, framed as if it were whole."""
    whole = gzip.compress(content)
    return _coded(whole[: len(whole) // 2], "gzip")


def two_gzip_members() -> Step:
    """Answer with a second gzip member behind the first."""
    return _coded(gzip.compress(b"first") + gzip.compress(b"second"), "gzip")


def wrong_encoding(coding: str = "gzip") -> Step:
    """Claim a content coding that the body does not have."""
    return _coded(b"this is plain text", coding)


def gzip_bomb(decoded: int) -> Step:
    """Send `decoded` zero bytes as a few gzip kilobytes."""

    def play(_: Received) -> Iterator[Move]:
        coder = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        yield Head(200, (("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")))
        block = bytes(1024 * 1024)
        for _n in range(decoded // len(block)):
            if piece := coder.compress(block):
                yield Data(piece)
            yield Pause(0)  # many blocks make one piece, and others are served meanwhile
        yield Data(coder.flush())
        yield End()

    return play


def deep_json(depth: int = 100_000) -> Step:
    """Answer 200 with JSON nested `depth` deep."""
    return status(200, b"[" * depth + b"]" * depth, headers=[("Content-Type", "application/json")])


def event_lines(lines: Iterable[str], *, every: float = 0.0) -> Step:
    """Send `lines` one by one as server-sent text."""
    moves: list[Move] = [Head(200, (("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")))]
    for line in lines:
        moves += [Pause(every), Data(f"{line}\n".encode())]
    return _play(*moves, End())
