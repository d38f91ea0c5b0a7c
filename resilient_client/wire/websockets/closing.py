"""What the code says that a WebSocket is closed with (RFC 6455, section 7.4), and other ways to come to an end."""

from __future__ import annotations

from typing import Final

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind

IN_ORDER: Final = frozenset((1000, 1001, 1005))
"""Nothing went wrong: done, going away, none given."""

KINDS: Final = {
    **dict.fromkeys((1002, 1003, 1007, 1008, 1009, 1010), FailureKind.CLIENT_ERROR),
    **dict.fromkeys((1011, 1012, 1013, 1014), FailureKind.SERVER_ERROR),
}
"""What any other code of the server is: it does not like what we say, or it is in trouble itself."""


def closed_with(code: int, reason: str) -> WireError | None:
    """Return the failure that a server's Close is; None when nothing went wrong."""
    if code in IN_ORDER:
        return None
    why = f"the server closed the WebSocket with {code:d}" + (f" ({reason})" if reason else "")
    return WireError(KINDS.get(code, FailureKind.UNEXPECTED), why, sent=True)


def dropped(how: str) -> WireError:
    """Return the failure that an end without a Close is."""
    return WireError(FailureKind.TRUNCATED, f"the connection ended without a Close ({how})", sent=True)


def late() -> WireError:
    """Return the failure that a deadline in the life of a socket is."""
    return WireError(FailureKind.DEADLINE, "the time was up while the WebSocket was open", sent=True)
