"""Rows: bodies that came whole and do not mean what they say."""

from __future__ import annotations

import gzip
from typing import Any

from faults.expected import answer, final, fine
from faults.fault import Area, row
from faults.scenes import Plays, text_is

from resilient_client import FailureKind as K
from resilient_client.testing import steps

HELLO = {"check": text_is("hello " * 100)}
CONTRADICTORY = bytearray(gzip.compress(b"hello"))
CONTRADICTORY[-5] ^= 0xFF

CODED = [("Content-Encoding", "gzip")]


def typed(body: bytes, kind: str = "application/json", **scene: Any) -> Plays:
    return Plays(steps.status(200, body, headers=[("Content-Type", kind)]), **scene)


def into(kind: Any) -> Any:
    return lambda: {"decode": kind}


UNDECODABLE = final(K.DECODE, status=200)

AREA = Area(
    "Content and decoding",
    (
        row("A gzip stream that stops half-way.", Plays(steps.cut_gzip()), UNDECODABLE),
        row("It says gzip and is not.", Plays(steps.wrong_encoding()), UNDECODABLE),
        row(
            "A gzip stream whose checksum is wrong.",
            Plays(steps.status(200, bytes(CONTRADICTORY), headers=CODED)),
            UNDECODABLE,
        ),
        row("A second gzip member behind the first.", Plays(steps.two_gzip_members()), UNDECODABLE),
        row(
            "Garbage behind a gzip stream.",
            Plays(steps.status(200, gzip.compress(b"a") + b"b", headers=CODED)),
            UNDECODABLE,
        ),
        row("deflate in its zlib wrapper.", Plays(steps.deflated(), **HELLO), fine()),
        row("deflate without a wrapper, as some servers send it.", Plays(steps.deflated(raw=True), **HELLO), fine()),
        row("It says deflate and is not.", Plays(steps.wrong_encoding("deflate")), UNDECODABLE),
        row("A content coding that nobody asked for.", Plays(steps.wrong_encoding("compress")), UNDECODABLE),
        row(
            "Five content codings on top of each other.",
            Plays(steps.wrong_encoding(", ".join(["gzip"] * 5))),
            UNDECODABLE,
        ),
        row(
            "A gzip bomb: 10 MB in 10 kB.",
            Plays(steps.gzip_bomb(10 * 1024 * 1024)),
            final(K.TOO_LARGE, status=200),
            policy={"max_body": 1_000_000},
        ),
        row(
            "A body that announces more than `max_body`.",
            Plays(steps.status(200, b"x" * 100_000)),
            final(K.TOO_LARGE, status=200),
            policy={"max_body": 10_000},
        ),
        row(
            "A 503 whose body does not decode; what it says of itself counts.",
            Plays(steps.status(503, b"no gzip", headers=CODED)),
            answer(503, again=True),
        ),
        row(
            "A charset that does not exist: UTF-8.",
            typed(b"hello", "text/plain; charset=klingon", check=text_is("hello")),
            fine(),
        ),
        row(
            "Bytes that are not of the charset: U+FFFD.",
            typed(b"hell\xff", "text/plain; charset=utf-8", check=text_is("hell\ufffd")),
            fine(),
        ),
        row("Not JSON, with `decode=`.", typed(b"<html>"), UNDECODABLE, call=into(dict)),
        row("JSON that is cut off, with `decode=`.", typed(b'{"a": [1, 2'), UNDECODABLE, call=into(dict)),
        row("JSON of another shape, with `decode=`.", typed(b'{"a": "b"}'), UNDECODABLE, call=into(dict[str, int])),
        row("JSON that is not UTF-8, with `decode=`.", typed(b'{"a": "\xff"}'), UNDECODABLE, call=into(dict)),
        row("JSON nested 100,000 deep, with `decode=`.", Plays(steps.deep_json(100_000)), UNDECODABLE, call=into(list)),
        row("No body at all, with `decode=`.", typed(b""), UNDECODABLE, call=into(dict)),
    ),
)
