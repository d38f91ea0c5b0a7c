"""How much head an answer may have: bytes, fields and interim answers, the same for HTTP/1.1 and HTTP/2."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

F = TypeVar("F", bytes, str)

MAX_HEAD: Final = 100 * 1024
"""Bytes a head may have, the same as h11's users elsewhere allow."""

MAX_FIELDS: Final = 256
"""Fields a head, or what follows a body, may have: Envoy, hyper and Python's http.client take 100 of a server."""

MAX_INTERIM: Final = 16
"""Interim answers (1xx) before the real one: Go's net/http took five until it counted their bytes instead."""

TWO_LENGTHS: Final = "the answer has both Content-Length and Transfer-Encoding"

TOO_MANY_INTERIM: Final = f"there are more than {MAX_INTERIM} interim answers (1xx)"


def excess(fields: Sequence[tuple[F, F]], at_most: float, what: str = "head") -> str | None:
    """Return what is too much about `fields`, else None; `at_most` are the bytes that they cannot exceed."""
    if len(fields) > MAX_FIELDS:
        return f"the {what} of the answer has more than {MAX_FIELDS} fields"
    if at_most > MAX_HEAD and sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEAD:
        return too_long(what)
    return None


def too_long(what: str = "head") -> str:
    """Return the sentence for a head that has too many bytes."""
    return f"the {what} of the answer is larger than {MAX_HEAD} bytes"


def check_head(status: int, fields: Sequence[tuple[F, F]], get: Callable[[str], object]) -> None:
    """Raise `WireError` for a head that another library took, and that ours would not; `get` looks a field up."""
    if (much := excess(fields, inf)) is not None:
        raise WireError(FailureKind.TOO_LARGE, much, sent=True)
    if status < 100:
        raise WireError(FailureKind.PROTOCOL, f"{status} is no status", sent=True)
    if status == 101:
        raise WireError(FailureKind.PROTOCOL, "the server changed protocols without being asked", sent=True)
    if get("transfer-encoding") is not None and get("content-length") is not None:
        raise WireError(FailureKind.PROTOCOL, TWO_LENGTHS, sent=True)
