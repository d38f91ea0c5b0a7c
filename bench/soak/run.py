"""One soak from start to end: far sides up, load on, everything quiet, proofs, report."""

from __future__ import annotations

import asyncio
import faulthandler
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.soak import proofs
from bench.soak.book import Book
from bench.soak.far_sides import FarSides
from bench.soak.load import Load
from bench.soak.operator import CALLS_OF_A_CHILD, Operator
from bench.soak.places import Place, PolicyFile, places
from bench.soak.report import Report
from bench.soak.usage import Usage, usage
from resilient_client import load_policies

TICK = 0.02
HUNG = 10.0
"""Seconds past its deadline from which a call is taken for hung, and the soak is given up."""

PATIENT = 30.0

MOST_FORKS = 200
SPARE = 1
"""Numbers of calls beyond those of the load: those of forked children, and one that all proofs share."""


@dataclass(frozen=True)
class Options:
    """How long, how much, and what is let pass.

    `noise`: seconds past a deadline; `growth`, `objects`: MiB and objects more at the end than half-way.
    """

    calls: int = 200_000
    seconds: float = 300.0
    threads: int = 16
    tasks: int = 64
    seed: int = 1
    trouble: float = 0.12
    noise: float = 1.0
    growth: float = 4.0
    objects: int = 10_000


class Soak:
    """One run."""

    def __init__(self, options: Options, folder: Path) -> None:
        self.options = options
        calls, children = options.calls, MOST_FORKS * CALLS_OF_A_CHILD
        self.sides = FarSides(folder, calls + children + SPARE, options.seed, options.trouble)
        self.spare = calls + children
        self.before = usage()
        self.book = Book(calls, self.sides.journal)
        self.file = PolicyFile(folder / "services.toml", self.sides)
        self.policies = load_policies(self.file.path, environment={})
        self.places: list[Place] = places(self.policies, self.sides)
        self.load = Load(self.places, self.book, calls=calls, seconds=options.seconds, seed=options.seed)
        self.operator = Operator(
            self.places, self.policies, self.file, self.sides, self.book, range(calls, calls + children)
        )
        self.quarters: list[Usage] = []
        self.quiet = threading.Event()

    def run(self) -> Report:
        started, cpu = time.monotonic(), time.process_time()
        self.load.start(self.options.threads, self.options.tasks, self.prove_tasks)
        while self.load.running > 1 or not self.done:
            self.operator.turn()
            self.look()
            time.sleep(TICK)
        took, cpu = time.monotonic() - started, time.process_time() - cpu
        self.calm_down()
        return self.report(took, cpu)

    @property
    def done(self) -> bool:
        return self.book.finished >= self.load.made and self.load.over

    def look(self) -> None:
        """Give up when a call hangs; note what is held at each quarter of the calls."""
        if self.load.watch.overdue > HUNG:
            faulthandler.dump_traceback(all_threads=True)
            raise SystemExit(f"a call is {self.load.watch.overdue:.0f} s past its deadline: it hangs")
        if self.load.made >= self.options.calls * (len(self.quarters) + 1) / 4:
            self.quarters.append(usage())

    def calm_down(self) -> None:
        """Have the far sides behave, and prove that nothing is held and everything works, from tasks and threads."""
        while self.operator.waiting:
            self.operator.look_after_children()
            time.sleep(TICK)
        self.sides.behave()
        self.file.write(attempt=PATIENT, total=PATIENT)  # how quick the machine is proves nothing here
        self.policies.reload()
        self.quiet.set()
        while self.load.running:
            self.look()
            time.sleep(TICK)
        for place in self.ordinary:
            self.book.wrong += proofs.by_threads(place, self.spare)
        for place in self.places:
            self.book.wrong += proofs.of_state(place)
            place.threads.client.close()

    @property
    def ordinary(self) -> list[Place]:
        return [place for place in self.places if place.name in {"quick", "secure"}]

    async def prove_tasks(self) -> None:
        """On the event loop of the tasks: wait for calm, prove, close."""
        await asyncio.to_thread(self.quiet.wait)
        for place in self.ordinary:
            self.book.wrong += await proofs.by_tasks(place, self.spare)
        for place in self.places:
            await place.tasks.client.close()
        await asyncio.sleep(TICK)  # sockets are closed one turn of the loop later

    def growth(self) -> list[str]:
        """Return what grew in the second half, when the first has warmed everything up."""
        if len(self.quarters) < 4:
            return []
        _, half, _, end = self.quarters
        found = []
        if end.mebibytes - half.mebibytes > self.options.growth:
            found.append(f"memory grew by {end.mebibytes - half.mebibytes:.1f} MiB in the second half")
        if end.objects - half.objects > self.options.objects:
            found.append(f"there are {end.objects - half.objects} more objects than half-way")
        return found

    def report(self, took: float, cpu: float) -> Report:
        book, made, options = self.book, self.load.made, self.options
        after, wrong = usage(), book.wrong
        wrong += book.disagreements(made)
        if self.load.watch.latest > options.noise:
            wrong.append(f"a call ended {self.load.watch.latest:.2f} s after its deadline")
        for name in ("descriptors", "threads"):
            if getattr(after, name) > getattr(self.before, name):
                wrong.append(f"{name}: {getattr(self.before, name)} before, {getattr(after, name)} after")
        wrong += self.growth()
        watch = self.load.watch
        return Report(
            calls=made,
            seconds=took,
            cpu=cpu,
            kinds=book.kinds,
            arrived=self.sides.journal.total,
            acts=self.operator.acts,
            cancelled=self.load.cancelled_tasks,
            latest=watch.latest,
            late=watch.late,
            before=self.before,
            quarters=self.quarters,
            after=after,
            wrong=wrong,
        )


def soak(options: Options) -> Report:
    """Run one soak and return what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        one = Soak(options, Path(folder))
        try:
            return one.run()
        finally:
            one.sides.close()
