"""Redirects: which request comes next, and which one is refused (RFC 9110, section 15.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resilient_client.errors import ConfigError
from resilient_client.exchange import WireError, WireRequest
from resilient_client.redact import shown_url
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import EMPTY
from resilient_client.wire.urls import as_http, parse_url

if TYPE_CHECKING:
    from resilient_client.exchange import Answer, Url

STATUSES: Final = frozenset((301, 302, 303, 307, 308))

KEPT_ACROSS_ORIGINS: Final = frozenset(
    (
        *(b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"range", b"if-range"),
        *(
            b"user-agent",
            b"content-type",
            b"content-length",
            b"transfer-encoding",
            b"content-encoding",
            b"content-language",
        ),
        *(b"traceparent", b"tracestate", b"idempotency-key", b"x-request-id", b"x-correlation-id"),
    )
)
"""Everything else, credentials above all, stays with the origin it was meant for."""

OF_THE_BODY: Final = frozenset(
    (b"content-type", b"content-length", b"transfer-encoding", b"content-encoding", b"content-language")
)


def _refused(why: str) -> WireError:
    return WireError(FailureKind.REDIRECT, why, sent=True)


def is_redirect(answer: Answer) -> bool:
    """Return whether `answer` says where to go instead."""
    return answer.status in STATUSES and "location" in answer.headers


def next_request(request: WireRequest, answer: Answer, seen: list[Url]) -> WireRequest:
    """Return the request that follows `answer`; raises `WireError` (`redirect`) when it must not be followed.

    303, and 301 and 302 for a POST, become a GET without body. From https to http, to user-info in the target, and to a
    place already been to are refused. Across origins only a short list of harmless header fields is kept, without Host;
    within an origin that is the caller's, if there was one.
    """
    target = _target(request, answer)
    method, headers, body = request.method, request.headers, request.body
    if answer.status == 303 or (answer.status in {301, 302} and method == "POST"):
        if method != "HEAD":
            method = "GET"
        headers = [pair for pair in headers if pair[0].lower() not in OF_THE_BODY]
        body = EMPTY
    elif not body.replayable:
        raise _refused(f"{answer.status} wants the request body again, and it cannot be sent twice")
    if target in seen and method == request.method:
        raise _refused(f"a loop: {shown_url(str(target))} was already called")
    same = target.origin == request.url.origin
    headers = [pair for pair in headers if same or _kept(pair[0])]
    return WireRequest(method, target, headers, body, request.auth if same else None, request.upgrade)


def _kept(name: bytes) -> bool:
    return name.lower() in KEPT_ACROSS_ORIGINS


def _target(request: WireRequest, answer: Answer) -> Url:
    location = answer.headers.get_list("location")[0]
    if request.upgrade is not None:
        location = as_http(location)
    try:
        target = parse_url(location, base=request.url)
    except ConfigError as problem:
        raise _refused(f"the server redirects to {shown_url(location)!r}: {problem}") from problem
    if request.url.scheme == "https" and target.scheme == "http":
        raise _refused(f"from https to {shown_url(str(target))}, which would be readable by anyone")
    return target
