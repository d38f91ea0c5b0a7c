"""The one table from errors and statuses to kinds, and what each says about having been sent."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from resilient_client.exchange import WireError
from resilient_client.pipeline.retry import TRANSIENT_STATUSES
from resilient_client.redact import shortened
from resilient_client.result import FailureKind
from resilient_client.wire.heads import too_long

LOCAL_ERRNOS: Final = frozenset(
    (
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS),
        *(errno.EADDRNOTAVAIL, errno.EADDRINUSE, errno.EACCES, errno.EPERM),
    )
)
"""This machine could not: descriptors, memory, ports, permissions."""


_VALUE: Final = re.compile(r"(illegal header line: \(b['\"][^:]*:).*", re.DOTALL)


def kind_of_status(status: int) -> FailureKind:
    """Return the kind of an answer that was not expected; a status that is none is a 5xx (RFC 9110, section 15)."""
    if status == 429:
        return FailureKind.THROTTLED
    if 400 <= status < 500:
        return FailureKind.CLIENT_ERROR
    return FailureKind.UNEXPECTED if 200 <= status < 400 else FailureKind.SERVER_ERROR


def said(problem: BaseException) -> str:
    """Return what an exception says, never empty."""
    text = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


def breach(problem: BaseException) -> str:
    """Return what h11 says about an answer, without the value of a field: it may be a credential."""
    return shortened(_VALUE.sub(r"\1 ...", str(problem).replace("bytearray(b", "(b")))


def is_local(problem: BaseException) -> bool:
    """Return whether `problem` is this machine's. The `errno` of an SSLError is OpenSSL's own: its 1 is not EPERM."""
    if isinstance(problem, ssl.SSLError):
        return False
    return isinstance(problem, MemoryError) or (isinstance(problem, OSError) and problem.errno in LOCAL_ERRNOS)


def of_connecting(problem: Exception, where: str) -> WireError:
    """Return the error that failing to connect to `where` is; nothing was sent."""
    message = f"{where}: {said(problem)}"
    if isinstance(problem, (socket.gaierror, UnicodeError)):
        kind = FailureKind.DNS
    elif is_local(problem) or (isinstance(problem, RuntimeError) and "thread" in str(problem)):
        kind = FailureKind.LOCAL
    else:
        kind = FailureKind.CONNECT
    return WireError(kind, message, sent=False)


def of_handshake(problem: Exception, where: str) -> WireError:
    """Return the error that a failed TLS handshake is: a broken connection may heal, a refused certificate does not."""
    broken = isinstance(problem, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) or not isinstance(problem, ssl.SSLError)
    kind = FailureKind.CONNECT if broken else FailureKind.TLS
    return WireError(kind, f"TLS with {where}: {said(problem)}", sent=False)


def is_tls_alert(problem: BaseException | None) -> bool:
    """Return whether the peer ended the connection with a TLS alert, such as for a missing client certificate."""
    return (
        isinstance(problem, ssl.SSLError)
        and not isinstance(problem, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        and "ALERT" in (getattr(problem, "reason", None) or "")
    )


HTTPX_KINDS: Final[tuple[tuple[str, FailureKind, bool], ...]] = (
    ("ConnectTimeout", FailureKind.CONNECT_TIMEOUT, False),
    ("PoolTimeout", FailureKind.POOL_TIMEOUT, False),
    ("ReadTimeout", FailureKind.READ_TIMEOUT, True),
    ("WriteTimeout", FailureKind.WRITE_TIMEOUT, True),
    ("ConnectError", FailureKind.CONNECT, False),
    ("ProxyError", FailureKind.CONNECT, False),
    ("UnsupportedProtocol", FailureKind.UNEXPECTED, False),
    ("LocalProtocolError", FailureKind.PROTOCOL, False),
    ("RemoteProtocolError", FailureKind.PROTOCOL, True),
    ("DecodingError", FailureKind.DECODE, True),
    ("TooManyRedirects", FailureKind.REDIRECT, True),
    ("NetworkError", FailureKind.RESET, True),
    ("TimeoutException", FailureKind.READ_TIMEOUT, True),
    ("TransportError", FailureKind.UNEXPECTED, True),
)
"""Names of httpx's exceptions, most special first. By name, so that the family's other packages fit as well."""


def of_foreign(problem: Exception, *, in_body: bool) -> WireError:
    """Return the error that an exception of somebody else's transport is."""
    names = {kind.__name__ for kind in type(problem).__mro__}
    for cause in chain_of(problem):
        error = _of_cause(cause, problem, connecting="ConnectError" in names, in_body=in_body)
        if error is not None:
            return error
    text = str(problem)
    if "RemoteProtocolError" in names and ("disconnected without" in text or "ConnectionClosed" in text):
        return WireError(FailureKind.RESET, said(problem), sent=True)
    if "RemoteProtocolError" in names and "buffer too long" in text:
        return WireError(FailureKind.TOO_LARGE, too_long(), sent=True)
    if in_body and ("NetworkError" in names or "peer closed connection" in text):
        return WireError(FailureKind.TRUNCATED, said(problem), sent=True)
    for name, kind, sent in HTTPX_KINDS:
        if name in names:
            return WireError(kind, said(problem), sent=sent or in_body, lasting=_is_lasting(names, text))
    return WireError(FailureKind.UNEXPECTED, said(problem), sent=True)


def _of_cause(cause: BaseException, problem: Exception, *, connecting: bool, in_body: bool) -> WireError | None:
    """Return what one exception in a chain makes of all of it, None when that is nothing."""
    if isinstance(cause, socket.gaierror):
        return WireError(FailureKind.DNS, said(problem), sent=False)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return WireError(FailureKind.TLS, said(problem), sent=False)
    if connecting and isinstance(cause, ssl.SSLError):
        return of_handshake(cause, "the server")
    if is_tls_alert(cause):
        return WireError(FailureKind.TLS, f"the server ended TLS ({said(cause)})", sent=True)
    threadless = isinstance(cause, RuntimeError) and "new thread" in str(cause)
    return WireError(FailureKind.LOCAL, said(problem), sent=in_body) if threadless or is_local(cause) else None


def chain_of(problem: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what led to it."""
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        seen.add(id(problem))
        yield problem
        problem = problem.__cause__ or problem.__context__


def _is_lasting(names: set[str], text: str) -> bool:
    """Return whether a proxy said no with a status that it will repeat."""
    return "ProxyError" in names and text[:3].isdecimal() and int(text[:3]) not in TRANSIENT_STATUSES
