"""What pyreqwest's errors are: by the messages of their causes, since its classes name other phases than it was in.

Everything that goes wrong until the head has come is a `ConnectTimeoutError` or a `ConnectError` there, also after a
request was sent.
"""

from __future__ import annotations

import re
from typing import Any, Final

import pyreqwest.exceptions  # noqa: F401 - else its first error does that, and Ctrl-C in there ends the process

from resilient_client.exchange import Limits, WireError
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import BodyFailed
from resilient_client.wire.classify import LOCAL_ERRNOS

CONNECTING: Final = "client error (Connect)"

SAYS_THE_URL: Final = "error sending request for url"

OS_ERROR: Final = re.compile(r"\(os error (\d+)\)")

IN_BODY: Final = ("error decoding response body", "error reading a body")

BROKEN: Final = (
    *("connection closed", "connection error", "reset by peer", "Broken pipe"),
    *("close_notify", "end of file", "unexpected EOF", "handshake eof"),
)

TOO_LATE: Final = ("timed out", "deadline has elapsed")

TLS: Final = re.compile(r"certificate|alert|corrupt message|peer is incompatible|peer misbehaved", re.IGNORECASE)

LASTING: Final = ("proxy authorization required", "does not support user/pass authentication")
"""What a proxy says once and for all."""


def causes_of(problem: Exception) -> list[str]:
    """Return what an error says of itself, innermost last, without the URL: there may be credentials in it."""
    details: Any = getattr(problem, "details", None) or {}
    causes = [str(cause.get("message", "")) for cause in details.get("causes") or ()]
    return [cause for cause in causes if not cause.startswith(SAYS_THE_URL)] or [type(problem).__name__]


def of_pyreqwest(problem: Exception, limits: Limits, *, in_body: bool = False, reused: bool = False) -> WireError:
    """Return the error that an exception is; `reused`: a connection used before may have carried the request."""
    if isinstance(problem, BodyFailed):
        return WireError(FailureKind.LOCAL, str(problem), sent=True)
    causes = causes_of(problem)
    text = ": ".join(causes)
    in_body = in_body or any(start in text for start in IN_BODY)
    if CONNECTING in causes:
        said = text.removeprefix(f"{CONNECTING}: ")
        return WireError(_connecting(text, limits), said, sent=False, lasting=any(no in text for no in LASTING))
    if any(word in text for word in TOO_LATE) or isinstance(problem, TimeoutError):
        late = "the server was silent, or took nothing"
        return WireError(limits.expired(FailureKind.READ_TIMEOUT), late, sent=True)
    kind = _kind(problem, text, in_body=in_body)
    stale = reused and kind is FailureKind.RESET
    return WireError(kind, causes[-1], sent=True, reused=stale, stale=stale)


def _connecting(text: str, limits: Limits) -> FailureKind:
    """Return the kind of a connection that was not made."""
    if any(word in text for word in TOO_LATE):
        return limits.expired(FailureKind.CONNECT_TIMEOUT)
    if "dns error" in text:
        return FailureKind.DNS
    number = OS_ERROR.search(text)
    if number is not None and int(number[1]) in LOCAL_ERRNOS:
        return FailureKind.LOCAL
    broken = any(word in text for word in BROKEN)
    return FailureKind.TLS if TLS.search(text) and number is None and not broken else FailureKind.CONNECT


def _kind(problem: Exception, text: str, *, in_body: bool) -> FailureKind:
    if "head is too large" in text:
        return FailureKind.TOO_LARGE
    if "fatal alert" in text:
        return FailureKind.TLS
    if any(word in text for word in BROKEN):
        return FailureKind.TRUNCATED if in_body else FailureKind.RESET
    decoding = "chunk" in text or any(kind.__name__ == "DecodeError" for kind in type(problem).__mro__)
    return FailureKind.PROTOCOL if decoding else FailureKind.UNEXPECTED
