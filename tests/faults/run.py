"""The runner: one row on one way, what came of it, and whether anything was left behind."""

from __future__ import annotations

import asyncio
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from faults.expected import EXACT, LATEST, Observed
from faults.fault import COUNTING, PATIENT, Fault
from faults.left_behind import Connection, connections, eventually, looking_behind
from faults.scenes import Scene
from faults.ways import Way

from resilient_client import Breaker, Failure, Policy, Success
from resilient_client.events import CircuitCounted
from resilient_client.pipeline.circuit import Admission
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.wire import tls_settings

GOOD: Final = Policy(timeouts=PATIENT, retry=None, breaker=COUNTING)
"""The policy of the good call: nothing in it helps it."""

PROBED: Final = Breaker(min_calls=1, failure_ratio=1, open_for=600, open_max=600, closes_after=1)
AFTER_A_PROBE: Final = {"success": "closed", "failure": "open", "ignored": "half-open"}
LONG_AGO: Final = 1000.0


class Counted:
    """Hears what attempts count as for the circuit."""

    hears = (CircuitCounted,)

    def __init__(self) -> None:
        self.verdicts: list[str] = []

    def __call__(self, event: CircuitCounted) -> None:
        self.verdicts.append(event.outcome)

    @property
    def verdict(self) -> str:
        """What all attempts counted as."""
        return ", ".join(dict.fromkeys(self.verdicts))


class Stage:
    """A row set up on a way: its world, its scene, its client."""

    def __init__(self, fault: Fault, world: Any, scene: Scene, policy: Policy) -> None:
        self.fault, self.world, self.scene = fault, world, scene
        self.counted = Counted()
        listeners = [self.counted, *scene.options.pop("listeners", ())]
        self.caller = world.client(base_url=None, policy=policy, listeners=listeners, **scene.options)
        self._foreign = {one.inode for one in connections()}
        scene.before(self.caller)
        self._held = self.caller.state().permits_in_use or 0
        self.counted.verdicts.clear()

    def play(self, method: str) -> tuple[Any, Observed]:
        """Make the call; return its result and how it ended."""
        started = self.world.now()
        try:
            result = self._act(method)
        except BaseException as problem:
            if not self.fault.expected.raised:
                raise
            took = self.world.now() - started
            return None, Observed(type(problem).__name__, None, None, None, None, self.counted.verdict, took)
        took = self.world.now() - started
        failed = not result
        return result, Observed(
            str(result.kind) if failed else None,
            result.status,
            len(result.attempts),
            str(result.stopped) if failed else None,
            result.sent if failed else None,
            self.counted.verdict,
            took,
        )

    def _act(self, method: str) -> Any:
        return self.scene.act(self.caller, method, self.scene.url, **self.fault.call())

    def leftovers(self) -> list[str]:
        """Whatever a call still holds after its end."""
        state = self.caller.state()
        held = (state.permits_in_use or 0) - self._held
        found = [f"{held} permits held"] * bool(held)
        return found + [f"{state.queued} waiting for a permit"] * bool(state.queued)

    def serves(self) -> list[str]:
        """Put the far side right, call it with the same client, and look at what is open then."""
        self.scene.mend()
        good = self.caller.get(self.scene.good, policy=GOOD)
        if not good or good.text != "ok":
            return [f"a good call after it: {good.explain()}"]
        open_now = eventually(self._connections, lambda found: len(found) <= self.scene.keeps, self.turn)
        return [f"connections left open: {open_now}"] * (len(open_now) > self.scene.keeps)

    def _connections(self) -> list[Connection]:
        return [one for one in connections() if one.inode not in self._foreign]

    def turn(self) -> None:
        """Let the event loop do what it has to do."""
        if hasattr(self.world, "runner"):
            self.world.finish(asyncio.sleep(0.001))

    def close(self) -> list[str]:
        """Close the client; return what is left of it."""
        self.world.finish(self.caller.client.close())
        if not hasattr(self.world, "runner"):
            return []
        loop = self.world.runner.get_loop()
        tasks = eventually(lambda: asyncio.all_tasks(loop), lambda found: not found, self.turn)
        return [f"task left: {task!r}" for task in tasks]


@contextmanager
def few_roots() -> Iterator[None]:
    """Trust one authority in place of all that certifi knows: loading those takes longer than a row does."""
    with tempfile.TemporaryDirectory() as folder:
        roots = Path(folder, "roots.pem")
        roots.write_bytes(CERTIFICATES.authority_pem())
        with mock.patch.object(tls_settings, "_usual_roots", return_value=str(roots)):
            yield


@contextmanager
def staged(fault: Fault, way: Way, policy: Policy) -> Iterator[tuple[Stage, list[str]]]:
    """Set a row up, and close everything in the end; what is left then is added to the list."""
    with few_roots(), looking_behind() as left:
        world = way.world()
        try:
            with fault.scene(world) as scene:
                yield Stage(fault, world, scene, policy), left
        finally:
            world.close()


def observe(fault: Fault, way: Way, method: str) -> tuple[Observed, list[str]]:
    """Make the row's call with `method`: how it ended, and everything that is not as it should be."""
    fault = way.as_met(fault)
    with staged(fault, way, fault.rules()) as (stage, left):
        result, observed = stage.play(method)
        late = EXACT if way.virtual else LATEST
        problems = fault.expected.differences(observed, method, late=late)
        stage.scene.check(result)
        problems += stage.leftovers()
        if type(result) in {Success, Failure} and repr(pickle.loads(pickle.dumps(result))) != repr(result):
            problems.append("the result does not survive pickling")
        problems += stage.serves()
        problems += stage.close()
    problems += left
    if problems and result is not None:
        problems.append(result.explain())
    return observed, problems


def probe(fault: Fault, way: Way) -> list[str]:
    """Make the row's call as the probe of a half-open circuit: what its place and the circuit come to."""
    expected, method = fault.expected, fault.methods[0]
    with staged(fault, way, fault.rules(retry=None, breaker=PROBED)) as (stage, left):
        circuit = stage.caller.breaker(stage.scene.url)
        long_ago = stage.world.now() - LONG_AGO
        circuit.close()
        circuit.record(circuit.admit(long_ago), True, 0.0, long_ago)
        stage.play(method)
        stage.close()
    found = list(left)
    if circuit.state != AFTER_A_PROBE[expected.circuit]:
        found.append(f"a probe that is a {expected.circuit!r} leaves the circuit {circuit.state}")
    if circuit.state == "half-open" and not isinstance(circuit.admit(stage.world.now()), Admission):
        found.append("the probe's place was not given back")
    return found


def come_to(fault: Fault, way: Way) -> tuple[dict[str, Observed], list[str]]:
    """Everything a row comes to on a way, in this process: what was observed by method, and all problems."""
    seen: dict[str, Observed] = {}
    problems: list[str] = []
    for method in fault.compared(virtual=way.virtual):
        seen[method], found = observe(fault, way, method)
        problems += [f"{method}: {problem}" for problem in found]
    if fault.probed and way.virtual == fault.in_memory:
        problems += probe(fault, way)
    return seen, problems
