"""What comes back over pyreqwest: the head of an answer, and a body that its thread reads ahead by a piece."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from resilient_client.exchange import WireError
from resilient_client.result import FailureKind
from resilient_client.wire.heads import check_head
from resilient_client.wire.pyreqwest_errors import of_pyreqwest

if TYPE_CHECKING:
    from resilient_client.exchange import Limits
    from resilient_client.wire.pyreqwest_wire import PyreqwestWire

USUAL: Final = 16
"""Header fields that few answers have more of; below that, hyper's own bounds do."""

MOST_DIGITS: Final = 20
"""Digits of a length that is one; for an answer without a body, hyper does not look."""


def head_of(response: Any) -> tuple[list[tuple[str, str]], float]:
    """Return the header fields of a response, and how long it says that its body is; raises `WireError`."""
    try:
        fields: dict[str, Any] = response.headers.dict_multi_value()
    except ValueError:
        what = "a header field of the answer has bytes that are not ASCII, and pyreqwest does not give those away"
        raise WireError(FailureKind.PROTOCOL, what, sent=True) from None
    pairs = list(fields.items())
    if list in map(type, fields.values()):
        pairs = [(name, one) for name, value in pairs for one in ([value] if isinstance(value, str) else value)]
    if response.status < 102 or "transfer-encoding" in fields or len(pairs) > USUAL:
        check_head(response.status, pairs, fields.get)
    length = fields.get("content-length")
    if isinstance(length, str) and length.isdecimal() and len(length) <= MOST_DIGITS:
        return pairs, int(length)
    return pairs, inf


class ReqwestBody:
    """The body of an answer; the other thread reads ahead by a piece."""

    __slots__ = ("_asked", "_limits", "_origin", "_reader", "_wire")

    def __init__(self, wire: PyreqwestWire, asked: Any, reader: Any, limits: Limits, origin: str) -> None:
        self._wire = wire
        self._asked: Any = asked
        self._reader = reader
        self._limits = limits
        self._origin = origin

    async def read(self) -> bytes:
        """Return the next bytes, empty at the end; raises `WireError`."""
        if self._asked is None:
            return b""
        try:
            piece = await self._wire.chunk(self._reader, self._limits)
        except Exception as problem:  # noqa: BLE001 - classified
            self.abort()
            raise of_pyreqwest(problem, self._limits, in_body=True) from None
        except BaseException:
            self.abort()
            raise
        if piece is None:
            self._asked = None
            self._wire.kept(self._origin, self._limits)
            return b""
        return bytes(piece)

    def abort(self) -> None:
        """Let go of the rest."""
        asked, self._asked = self._asked, None
        if asked is not None:
            self._wire.let_go(asked)
