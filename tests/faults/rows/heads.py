"""Rows: what comes before a body, when it is no HTTP or contradicts itself."""

from __future__ import annotations

from typing import Any

from faults.expected import Expected, answer, final, fine, seen
from faults.fault import LONGER, Area, Fault, only, row
from faults.scenes import Plays

from resilient_client import FailureKind as K
from resilient_client.testing import steps
from resilient_client.testing.script import Close, End, Raw, Reset

OK = b"Content-Length: 2\r\n\r\nok"


def says(*lines: bytes, then: Any = None) -> Plays:
    """A far side that sends these lines, a good body of two bytes, and closes."""
    content = b"\r\n".join((*lines, OK))
    return Plays(lambda _: (Raw(content), then or Close()))


def sends(content: bytes, then: Any = None) -> Plays:
    """A far side that sends these bytes and closes."""
    return Plays(lambda _: (Raw(content), then or Close()))


def good(result: Any) -> None:
    assert result.text == "ok", result.content


def broken(what: str, *lines: bytes, expected: Expected | None = None) -> Fault:
    """A row of an answer that contradicts itself."""
    return row(what, says(*lines), expected or seen(K.PROTOCOL))


def harmless(what: str, *lines: bytes) -> Fault:
    """A row of an answer that looks odd and is good."""
    scene = says(*lines, then=End())
    scene.scene["check"] = good
    return row(what, scene, fine())


OK_200 = b"HTTP/1.1 200 OK"

AREA = Area(
    "Status line and header fields",
    (
        row("The connection is closed without a byte.", Plays(steps.close()), seen(K.RESET)),
        row("The connection is reset without a byte.", Plays(steps.reset()), seen(K.RESET)),
        row("The connection is closed inside the head.", sends(b"HTTP/1.1 200 OK\r\nContent-Le"), seen(K.RESET)),
        row(
            "The connection is reset inside the head.", sends(b"HTTP/1.1 200 OK\r\nContent-Le", Reset()), seen(K.RESET)
        ),
        row("Garbage in place of a status line.", Plays(steps.garbage()), seen(K.PROTOCOL)),
        row("The greeting of another protocol.", sends(b"SSH-2.0-OpenSSH_9.7\r\n"), seen(K.PROTOCOL)),
        row("HTTP/0.9: a body without a head.", Plays(steps.http09()), seen(K.PROTOCOL)),
        broken("Status 99.", b"HTTP/1.1 099 Early"),
        broken("A status of two digits.", b"HTTP/1.1 20 OK"),
        broken("Status 600 (RFC 9110: as a 5xx).", b"HTTP/1.1 600 Odd", expected=answer(600)),
        broken("101: the protocol is changed without having been asked.", b"HTTP/1.1 101 Switching Protocols"),
        row("Ten 103 before the answer.", Plays(steps.early_hints(10)), fine()),
        row("A thousand 103 before the answer.", Plays(steps.early_hints(1000)), seen(K.PROTOCOL)),
        row(
            "103 without end, slowly: `attempt`.",
            Plays(steps.early_hints(None, every=LONGER / 8)),
            seen(K.ATTEMPT_TIMEOUT, waits=LONGER),
            timeouts=only(attempt=LONGER),
        ),
        row("A head without end.", Plays(steps.endless_head()), final(K.TOO_LARGE)),
        row("A header field of 200 kB.", Plays(steps.huge_headers()), final(K.TOO_LARGE)),
        broken("Two Content-Length that differ.", OK_200, b"Content-Length: 5"),
        harmless("Two Content-Length that agree.", OK_200, b"Content-Length: 2"),
        broken("Content-Length is no number.", OK_200, b"Content-Length: 2x"),
        broken("Content-Length is negative.", OK_200, b"Content-Length: -2"),
        row("Content-Length and Transfer-Encoding.", Plays(steps.length_and_chunked()), seen(K.PROTOCOL)),
        broken("A transfer coding that nobody knows.", OK_200, b"Transfer-Encoding: rot13"),
        broken("A NUL in a header field.", OK_200, b"X-Odd: a\0b"),
        broken("A bare CR in a header field.", OK_200, b"X-Odd: a\rSet-Cookie: b"),
        broken("A blank before the colon.", OK_200, b"X-Odd : a"),
        broken("A header line without a colon.", OK_200, b"X-Odd"),
        harmless("A folded header field (obs-fold).", OK_200, b"X-Odd: a", b"  b"),
        harmless("Bytes beyond ASCII in a header field.", OK_200, b"X-Odd: \xe9\xff"),
        harmless("An HTTP/1.0 answer.", b"HTTP/1.0 200 OK"),
    ),
)
