"""The retry budget against a bookkeeper: calls and time pay in, retries take, successes give back."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from invariants.bounded import bounded, patient

from resilient_client import RetryBudget
from resilient_client.pipeline.budget import Budget

pytestmark = patient

WINDOW = 10.0

# Numbers that floats hold exactly: then every token can be counted, and a difference is a mistake.
eighths = st.integers(0, 8).map(lambda number: number / 8)


class BudgetAgainstAModel(RuleBasedStateMachine):
    """No token appears from nowhere or disappears: the balance is what a bookkeeper would have."""

    @initialize(ratio=eighths, burst=st.integers(0, 4), per_second=eighths)
    def begin(self, ratio, burst, per_second):
        self.settings = RetryBudget(ratio=ratio, burst=burst, min_per_second=per_second, window=WINDOW)
        self.budget = Budget(self.settings)
        self.now = 0.0
        self.calls = []
        self.balance = float(burst)
        self.paid_until = None
        self.owned = 0

    def pay(self, tokens):
        """Time pays in since anybody first asked; what is above the cap is not kept."""
        if self.paid_until is not None:
            tokens += (self.now - self.paid_until) * self.settings.min_per_second
        self.paid_until = self.now
        self.balance = min(self.balance + tokens, self.cap)

    @property
    def cap(self):
        tenth = WINDOW / 10
        recent = sum(self.now // tenth - moment // tenth < 10 for moment in self.calls)
        return self.settings.burst + self.settings.ratio * recent

    @rule()
    def a_call_pays(self):
        self.budget.deposit(self.now)
        self.calls.append(self.now)
        self.pay(self.settings.ratio)

    @rule()
    def a_retry_takes(self):
        self.pay(0.0)
        granted = self.budget.take(self.now)
        assert granted == (self.balance >= 1)
        self.balance -= granted
        self.owned += granted

    @precondition(lambda self: self.owned)
    @rule(data=st.data())
    def a_success_gives_back(self, data):
        tokens = data.draw(st.integers(1, self.owned))
        self.budget.give_back(tokens, self.now)
        self.owned -= tokens
        self.pay(tokens)

    @rule(seconds=st.sampled_from([0.125, 0.5, 1.0, 3.0, 12.0]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def the_books_agree(self):
        self.pay(0.0)
        assert self.budget.available(self.now) == self.balance
        assert 0 <= self.balance <= self.cap


TestBudget = BudgetAgainstAModel.TestCase
TestBudget.settings = bounded(80)
