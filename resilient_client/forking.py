"""What a forked child must not share with its parent: locks that may be held, permits, connections, threads."""

from __future__ import annotations

import os
import weakref
from typing import Final, Protocol, TypeVar


class Forkable(Protocol):
    """Something with state that belongs to the process that made it."""

    def after_fork(self) -> None:
        """Start over in the child; called there once, before anything else runs."""
        ...


F = TypeVar("F", bound=Forkable)

_members: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()
_generation = 0


def on_fork(member: F) -> F:
    """Have `member.after_fork()` called in every forked child, as long as somebody else keeps `member`."""
    _members.add(member)
    return member


def generation() -> int:
    """Return how many forks lie between this process and the first one; a socket of another count is not ours."""
    return _generation


def _in_child() -> None:
    global _generation  # noqa: PLW0603 - a count for the whole process
    _generation += 1
    for member in list(_members):
        member.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
