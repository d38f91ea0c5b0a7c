"""Hide credentials: the one function every repr, timeline, span and log line uses.

The first eight query names are the ones OpenTelemetry's HTTP conventions list; the rest are ours,
added because services really do pass them in URLs.
"""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "REDACTED"

SECRET_QUERY_NAMES: Final = frozenset(
    name.lower()
    for name in (
        *("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId"),
        *("Signature", "sig", "X-Goog-Signature", "X-Goog-Credential"),
        *("token", "access_token", "refresh_token", "id_token", "auth", "authorization", "jwt"),
        *("api_key", "apikey", "api-key", "key", "client_secret", "secret", "code", "session"),
        *("password", "passwd", "pwd", "passphrase", "private_key", "assertion"),
    )
)

SECRET_HEADERS: Final = frozenset(
    (
        *("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key"),
        *("x-auth-token", "x-amz-security-token", "x-csrf-token", "x-goog-api-key", "x-vault-token"),
        *("authentication-info", "proxy-authentication-info", "x-access-token", "x-session-token"),
    )
)

SHOWN: Final = 300
"""Characters of a text from elsewhere that a message shows."""

_USER_INFO = re.compile(r"(?<=//)[^/?#]*@|^[^/?#:]+:[^/?#@]*@")
_QUERY = re.compile(r"([?&;])([^?=&;#]*)=([^&;#]*)")  # a name ends where another may begin, so this takes linear time
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")


def _redact_pair(match: re.Match[str]) -> str:
    before, name, value = match.groups()
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), name).strip().lower()
    return f"{before}{name}={REDACTED if plain in SECRET_QUERY_NAMES else value}"


def redact_url(url: str) -> str:
    """Return `url` with user-info and the values of secret query names replaced.

    Order and duplicates of the query are kept; the fragment, which never leaves the client, is dropped.
    """
    url = url.partition("#")[0]
    if "@" in url:
        url = _USER_INFO.sub(f"{REDACTED}:{REDACTED}@", url)
    return _QUERY.sub(_redact_pair, url) if "?" in url else url


def shortened(text: str) -> str:
    """Return `text`, cut to what somebody would read of it."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def shown_url(url: str) -> str:
    """Return `url` as a message shows it: redacted, and cut."""
    return shortened(redact_url(url))


def redact_header(name: str, value: str) -> str:
    """Return `value`, or `REDACTED` when a header of that name carries a credential."""
    return REDACTED if name.lower() in SECRET_HEADERS else value
