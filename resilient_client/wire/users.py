"""Something of another library that is closed when its owner lets go of it and the last answer over it was read."""

from __future__ import annotations

from collections.abc import Callable


class Users:
    """Counts who uses it, and calls `close`, once, when it is let go of and nobody does."""

    __slots__ = ("_close", "_count", "_let_go")

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self._count = 0
        self._let_go = False

    def enter(self) -> None:
        """Begin an exchange."""
        self._count += 1

    def leave(self) -> None:
        """End an exchange."""
        self._count -= 1
        self._close_unless_used()

    def let_go(self) -> None:
        """Close it now, or after the last exchange that is under way."""
        self._let_go = True
        self._close_unless_used()

    def _close_unless_used(self) -> None:
        if self._let_go and self._count <= 0:
            self._let_go = False
            self._close()
