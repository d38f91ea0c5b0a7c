"""What aiohttp's errors are, by whether the request had a connection when it failed."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import aiohttp

from resilient_client.exchange import WireError
from resilient_client.pipeline.retry import TRANSIENT_STATUSES
from resilient_client.result import FailureKind
from resilient_client.wire.bodies import BodyFailed
from resilient_client.wire.classify import breach, chain_of, is_tls_alert, of_connecting, of_handshake, said

if TYPE_CHECKING:
    from resilient_client.wire.aiohttp_sessions import Hop


def of_aiohttp(problem: BaseException, hop: Hop, where: str, *, in_body: bool = False) -> WireError:
    """Return the error that an exception is; `where` is who was called."""
    if hop.blocked is not None:
        return hop.blocked
    if not hop.connected:
        return _connecting(problem, hop, where)
    error = _exchanging(problem, hop, in_body=in_body)
    error.reused = hop.reused
    error.stale = hop.reused and error.kind is FailureKind.RESET
    return error


def _connecting(problem: BaseException, hop: Hop, where: str) -> WireError:
    if isinstance(problem, TimeoutError):
        kind = hop.limits.expired(FailureKind.CONNECT_TIMEOUT)
        return WireError(kind, f"no connection to {where} in time", sent=False)
    if isinstance(problem, aiohttp.ClientHttpProxyError):
        lasting = problem.status not in TRANSIENT_STATUSES
        return WireError(FailureKind.CONNECT, f"the proxy answered {problem.status}", sent=False, lasting=lasting)
    innermost = [one for one in chain_of(problem) if not isinstance(one, aiohttp.ClientError)]
    for one in innermost:
        if isinstance(one, ssl.SSLError):
            return of_handshake(one, where)
    reason = innermost[-1] if innermost else problem
    if isinstance(problem, aiohttp.ClientConnectorSSLError):
        return of_handshake(reason if isinstance(reason, Exception) else problem, where)
    return of_connecting(reason if isinstance(reason, Exception) else Exception(str(problem)), where)


def _exchanging(problem: BaseException, hop: Hop, *, in_body: bool) -> WireError:
    chain = list(chain_of(problem))
    for one in chain:
        if isinstance(one, BodyFailed):
            return WireError(FailureKind.LOCAL, str(one), sent=True)
        if is_tls_alert(one):
            return WireError(FailureKind.TLS, f"the server ended TLS ({said(one)})", sent=True)
    if isinstance(problem, TimeoutError):
        return WireError(hop.limits.expired(FailureKind.READ_TIMEOUT), "the server was silent", sent=True)
    kind = _kind(problem, " ".join(said(one) for one in chain), in_body=in_body)
    if isinstance(problem, aiohttp.ClientResponseError):  # the text of all of it has the URL in it
        what = breach(Exception(" ".join(problem.message.split())))
        return WireError(kind, f"the answer is not valid HTTP/1.1: {what}", sent=True)
    return WireError(kind, breach(problem), sent=True)


def _kind(problem: BaseException, text: str, *, in_body: bool) -> FailureKind:
    if isinstance(problem, aiohttp.ClientPayloadError):
        cut = "Not enough data" in text or "NotEnoughData" in text or "ContentLengthError" in text
        return FailureKind.TRUNCATED if cut else FailureKind.PROTOCOL
    if isinstance(problem, aiohttp.ClientResponseError):
        large = "LineTooLong" in text or "more than" in text or "Too many" in text
        return FailureKind.TOO_LARGE if large else FailureKind.PROTOCOL
    if isinstance(problem, (aiohttp.ClientConnectionError, OSError)):
        return FailureKind.TRUNCATED if in_body else FailureKind.RESET
    return FailureKind.UNEXPECTED
