"""When a silent peer is asked for a sign of life, and when it is given up. Only the time counts that somebody waits."""

from __future__ import annotations

from math import inf


class Silence:
    """The kernel: pure, its clock is given. `due` is when a ping is to be sent or, once `asked`, a verdict to be given.

    Whatever comes is a sign of life. Without `every` nobody is ever asked.
    """

    def __init__(self, every: float | None, within: float, now: float) -> None:
        self._every = inf if every is None else every
        self.within = within
        self.asked = False
        self.due = now + self._every
        self._paused = now

    def resume(self, now: float) -> None:
        """Go on counting; what came meanwhile is still to be read, so the time until now does not count."""
        self.due += now - self._paused

    def pause(self, now: float) -> None:
        """Stop counting: nobody waits any more."""
        self._paused = now

    def broken(self, now: float) -> None:
        """Begin anew, since something came."""
        self.asked = False
        self.due = now + self._every

    def ask(self, now: float) -> None:
        """Note that a ping was sent."""
        self.asked = True
        self.due = now + self.within
