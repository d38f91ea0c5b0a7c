"""One circuit against a model that knows the rules from the documentation and nothing of the code."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariants.bounded import bounded, patient

from resilient_client import Breaker
from resilient_client.pipeline.circuit import Admission, Circuit

pytestmark = patient

WINDOW = 10.0

breakers = st.builds(
    Breaker,
    failure_ratio=st.sampled_from([0.3, 0.5, 1.0]),
    min_calls=st.integers(1, 4),
    window=st.just(WINDOW),
    consecutive=st.one_of(st.none(), st.integers(1, 3)),
    open_for=st.just(2.0),
    open_max=st.sampled_from([2.0, 5.0, 60.0]),
    probes=st.integers(1, 3),
    closes_after=st.integers(1, 3),
)


class Model:
    """The rules: what was counted while closed, who may probe, and since when each of them is out."""

    def __init__(self, settings: Breaker) -> None:
        self.settings = settings
        self.reopened = 0
        self.turn("closed")

    def turn(self, state: str) -> None:
        """Begin a new epoch: nothing said of the last one counts any more."""
        self.state = state
        self.counted: list[tuple[float, bool]] = []
        self.in_a_row = 0
        self.out: dict[Admission, float] = {}

    def open(self, now: float) -> None:
        self.turn("open")
        self.open_until = now + min(self.settings.open_max, self.settings.open_for * 2**self.reopened)

    def admits(self, now: float) -> bool:
        if self.state == "open" and now >= self.open_until:
            self.turn("half-open")
        if self.state == "half-open":
            self.out = {one: since for one, since in self.out.items() if now - since < self.settings.open_for}
            return len(self.out) < self.settings.probes
        return self.state == "closed"

    def recent(self, now: float) -> list[bool]:
        """The window moves in tenths of its length."""
        tenth = WINDOW / 10
        return [failed for moment, failed in self.counted if now // tenth - moment // tenth < 10]

    def record(self, admission: Admission, failed: bool | None, now: float) -> None:
        if self.state == "half-open":
            self.record_probe(admission, failed, now)
        elif self.state == "closed" and failed is not None:
            self.counted.append((now, failed))
            self.in_a_row = self.in_a_row + 1 if failed else 0
            recent, settings = self.recent(now), self.settings
            enough = len(recent) >= settings.min_calls
            if (enough and sum(recent) / len(recent) >= settings.failure_ratio) or (
                settings.consecutive is not None and self.in_a_row >= settings.consecutive
            ):
                self.open(now)

    def record_probe(self, admission: Admission, failed: bool | None, now: float) -> None:
        if self.out.pop(admission, None) is None:
            return
        if failed:
            self.reopened += 1
            self.open(now)
        elif failed is False:
            self.in_a_row += 1
            if self.in_a_row >= self.settings.closes_after:
                self.reopened = 0
                self.turn("closed")


class CircuitAgainstAModel(RuleBasedStateMachine):
    """Whoever asks and whenever answers come, the circuit does what the rules say and no late answer changes it."""

    @initialize(settings=breakers)
    def begin(self, settings):
        self.now = 0.0
        self.circuit = Circuit("k", settings, lambda: 0.0)
        self.model = Model(settings)
        self.under_way = []
        self.epoch = 0

    def turned(self):
        """Count the epochs of the model: a turn is a new list of counts."""
        if self.model.counted is not getattr(self, "counting", None):
            self.counting = self.model.counted
            self.epoch += 1

    @rule(count=st.integers(1, 4))
    def ask(self, count):
        for _ in range(count):
            answer = self.circuit.admit(self.now)
            admitted = self.model.admits(self.now)
            self.turned()
            assert isinstance(answer, Admission) == admitted
            if admitted:
                self.under_way.append((answer, self.epoch))
                if self.model.state == "half-open":
                    self.model.out[answer] = self.now
            elif answer.retry_after is not None:
                assert answer.retry_after > 0

    @rule(outcomes=st.lists(st.booleans(), min_size=1, max_size=6))
    def calls_one_after_another(self, outcomes):
        for failed in outcomes:
            before = len(self.under_way)
            self.ask(1)
            if len(self.under_way) > before:
                self.told(self.under_way.pop(), failed)

    @precondition(lambda self: self.under_way)
    @rule(failed=st.sampled_from([True, True, False, False, None]), data=st.data())
    def answer(self, failed, data):
        self.told(self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1))), failed)

    def told(self, admitted, failed):
        self.turned()
        admission, epoch = admitted
        before = (self.circuit.state, self.circuit.counts(self.now), set(self.circuit._probes))
        self.circuit.record(admission, failed, 0.0, self.now)
        if epoch == self.epoch:
            self.model.record(admission, failed, self.now)
            self.turned()
        else:
            after = (self.circuit.state, self.circuit.counts(self.now), set(self.circuit._probes))
            assert after == before, "an answer of an older epoch changed something"

    @rule(seconds=st.sampled_from([0.25, 0.75, 1.25, 2.0, 4.5, 11.25]))
    def wait(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.circuit.state == "open")
    @rule(count=st.integers(1, 4), outcomes=st.lists(st.sampled_from([True, False, False, None]), max_size=4))
    def wait_for_the_probe(self, count, outcomes):
        self.now = self.model.open_until
        self.ask(count)
        assert self.circuit.state == "half-open"
        for failed in outcomes:
            if self.under_way:
                self.told(self.under_way.pop(), failed)
                self.ask(1)

    @precondition(lambda self: self.circuit._probes)
    @rule(seconds=st.sampled_from([1.75, 2.0]))
    def wait_for_probes_that_do_not_come_back(self, seconds):
        self.now += seconds
        self.ask(1)

    @rule(stays=st.sampled_from([False, False, False, True]))
    def isolate(self, stays):
        self.circuit.isolate()
        self.model.turn("isolated")
        self.ask(1)
        if not stays:
            self.close()

    @rule()
    def close(self):
        self.circuit.close()
        self.model.reopened = 0
        self.model.turn("closed")
        self.turned()

    @invariant()
    def the_model_agrees(self):
        model, circuit = self.model, self.circuit
        assert circuit.state == model.state
        if model.state == "half-open":
            assert circuit._probes == set(model.out)
            assert len(model.out) <= model.settings.probes
        else:
            assert not circuit._probes
        if model.state == "closed":
            recent = model.recent(self.now)
            assert circuit.counts(self.now) == (len(recent), sum(recent))
        if model.state == "open":
            assert circuit.next_probe_in(self.now) == pytest.approx(max(0.0, model.open_until - self.now))

    def teardown(self):
        if not hasattr(self, "circuit"):
            return
        for admission, _ in self.under_way:
            self.circuit.record(admission, None, 0.0, self.now)
        assert not self.circuit._probes


TestCircuit = CircuitAgainstAModel.TestCase
TestCircuit.settings = bounded(150)
