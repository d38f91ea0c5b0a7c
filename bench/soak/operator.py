"""What happens around the calls: files reloaded, servers killed, circuits moved by hand, forks."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic

from bench.soak.book import Book
from bench.soak.far_sides import FarSides
from bench.soak.fork import fork_and_call
from bench.soak.places import Place, PolicyFile
from resilient_client import ConfigError
from resilient_client.config.policies import Policies

CALLS_OF_A_CHILD = 3
PATIENCE = 20.0
"""Seconds after which a forked child is taken for hung: three calls of a second, and a machine with much to do."""


class Operator:
    """Acts whenever something is due. `children` are the numbers of calls that forked children may use."""

    def __init__(
        self, places: list[Place], policies: Policies, file: PolicyFile, sides: FarSides, book: Book, children: range
    ) -> None:
        self._places = places
        self._policies = policies
        self._file = file
        self._sides = sides
        self._book = book
        self._children = children
        self._draw = random.Random(1)
        self._forked: list[Callable[[], str | None]] = []
        started = monotonic()
        acts = (
            (self.reload, 0.7),
            (self.reload_wrong, 3.1),
            (self.restart, 9.0),
            (self.by_hand, 2.3),
            (self.fork, 4.0),
        )
        self._due = {act: [started + every / 4, every] for act, every in acts}
        self.acts = dict.fromkeys((act.__name__ for act, _ in acts), 0)

    def turn(self) -> None:
        """Do what is due, and look after the children."""
        for act, times in self._due.items():
            if monotonic() >= times[0]:
                act()
                self.acts[act.__name__] += 1
                times[0] = monotonic() + times[1]
        self.look_after_children()

    def reload(self) -> None:
        self._file.write()
        self._policies.reload()

    def reload_wrong(self) -> None:
        self._file.write(wrong=True)
        try:
            self._policies.reload()
        except ConfigError:
            return
        self._book.complain("a wrong file was taken")

    def restart(self) -> None:
        self._sides.restart()

    def by_hand(self) -> None:
        circuit = self._draw.choice(self._places).clients[0].breaker()
        circuit.isolate()
        circuit.close()

    def fork(self) -> None:
        first = self._children.start + self.acts["fork"] * CALLS_OF_A_CHILD
        numbers = range(first, min(first + CALLS_OF_A_CHILD, self._children.stop))
        self._forked.append(fork_and_call(self._places[0].clients[0], numbers, PATIENCE))

    def look_after_children(self) -> None:
        for outcome in list(self._forked):
            if (said := outcome()) is not None:
                self._forked.remove(outcome)
                if said:
                    self._book.complain(said)

    @property
    def waiting(self) -> bool:
        """Whether a child is still under way."""
        return bool(self._forked)
