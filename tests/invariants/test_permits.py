"""The bulkhead's kernel against the plainest model there is: a list of holders and a queue."""

from __future__ import annotations

import gc
import weakref

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariants.bounded import bounded, patient

from resilient_client import Bulkhead
from resilient_client.pipeline.bulkhead import Answer, Permit, Permits

pytestmark = patient

limits = st.builds(Bulkhead, max_concurrent=st.integers(1, 4), max_waiting=st.integers(0, 4))


class Waker:
    """Wakes somebody, or finds the event loop gone that it waited on."""

    def __init__(self) -> None:
        self.gone = False
        self.woken = 0

    def wake(self) -> bool:
        self.woken += 1
        return not self.gone


class PermitsAgainstAModel(RuleBasedStateMachine):
    """Places are given out in the order of asking, to whoever still wants one, and none is ever lost."""

    @initialize(settings=limits)
    def begin(self, settings):
        self.permits = Permits(settings)
        self.settings = settings
        self.wakers = {}
        self.holding = []
        self.waiting = []

    def grant(self):
        """Do in the model what must happen when a place may have become free."""
        while self.waiting and len(self.holding) < self.settings.max_concurrent:
            first = self.waiting.pop(0)
            if not self.wakers[first].gone:
                self.holding.append(first)

    def one_of(self, permits, data):
        """Choose one; by its place, for whatever is drawn itself is kept alive."""
        return permits[data.draw(st.integers(0, len(permits) - 1))]

    @rule()
    def ask(self):
        permit, waker = Permit(), Waker()
        answer = self.permits.ask(permit, lambda: waker)
        self.wakers[permit] = waker
        if not self.waiting and len(self.holding) < self.settings.max_concurrent:
            assert answer is Answer.HELD
            self.holding.append(permit)
        elif len(self.waiting) < self.settings.max_waiting:
            assert answer is Answer.QUEUED
            self.waiting.append(permit)
        else:
            assert answer is Answer.FULL

    @precondition(lambda self: self.wakers)
    @rule(data=st.data())
    def give_back(self, data):
        """Anyone may, at any time and as often as they like: holder, waiter, and who has nothing any more."""
        permit = self.one_of(list(self.wakers), data)
        for _ in range(data.draw(st.integers(1, 2))):
            self.permits.give_back(permit)
        for group in (self.holding, self.waiting):
            if permit in group:
                group.remove(permit)
        self.grant()

    @precondition(lambda self: self.holding)
    @rule(data=st.data())
    def drop(self, data):
        """A holder vanishes without a word, as after an interrupt at the wrong instruction."""
        permit = self.one_of(self.holding, data)
        self.holding.remove(permit)
        gone = weakref.ref(permit)
        del self.wakers[permit], permit
        if gone() is not None:
            gc.collect()
        self.permits.in_use  # noqa: B018 - looking finds it
        self.grant()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def lose_the_loop(self, data):
        self.wakers[self.one_of(self.waiting, data)].gone = True

    @rule(settings=limits)
    def resize(self, settings):
        self.permits.resize(settings)
        self.settings = settings
        self.grant()

    @invariant()
    def the_model_agrees(self):
        assert [permit for permit in self.wakers if self.permits.holds(permit)] == [
            permit for permit in self.wakers if permit in self.holding
        ]
        assert self.permits.in_use == len(self.holding)
        assert list(self.permits._waiting) == self.waiting
        assert all(self.wakers[permit].woken == 0 for permit in self.waiting), "woken without a permit"

    def teardown(self):
        if not hasattr(self, "permits"):
            return
        for permit in list(self.wakers):
            self.permits.give_back(permit)
        assert (self.permits.in_use, self.permits.queued) == (0, 0)
        taken = [Permit() for _ in range(self.settings.max_concurrent)]
        assert all(self.permits.ask(permit, Waker) is Answer.HELD for permit in taken)


TestPermits = PermitsAgainstAModel.TestCase
TestPermits.settings = bounded(100)
