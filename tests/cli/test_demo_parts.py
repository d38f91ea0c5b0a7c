"""The parts of the demo that need no incident: arithmetic, wording, and which conclusions numbers carry."""

from __future__ import annotations

import signal

import pytest

from resilient_client import Policy, Retry, Timeouts
from resilient_client.cli.demo.conclusion import conclusions
from resilient_client.cli.demo.ledger import UNFINISHED, Ended, Ledger, percentile
from resilient_client.cli.demo.numbers import Period, summed
from resilient_client.cli.demo.pace import Pace
from resilient_client.cli.demo.policies import ATTEMPT, CONNECT, MAX_ATTEMPTS, POLICY, WAIT_INITIAL, WAIT_MAX, declared
from resilient_client.cli.demo.report import Outcome, Report, merged
from resilient_client.cli.demo.scenario import ACTS, OUTAGE, RECOVERY, SECONDS, acts_within
from resilient_client.cli.demo.wording import duration, listed, number, percent
from resilient_client.cli.stopping import stopping


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([3.0], 0.99, 3.0), ([4, 1, 3, 2], 0.5, 2), (list(range(1, 101)), 0.99, 99), ([1, 2], 0.99, 2)],
)
def test_percentile(values, share, expected):
    assert percentile(values, share) == expected


def test_only_the_part_of_a_call_inside_a_period_counts_as_busy_time():
    call = Ended(10.0, 4.0, None, 1)
    assert [call.overlap(*period) for period in ((9, 11), (11, 12), (12, 20), (15, 20), (0, 5))] == [1, 1, 2, 0, 0]


def test_calls_cut_off_by_the_end_are_written_down_as_unfinished():
    ledger = Ledger()
    ledger.begin(1)
    ledger.begin(2)
    ledger.end(1, None, 1)
    ledger.close()
    ledger.end(2, "reset", 1)
    assert [call.failure for call in ledger.ended()] == [None, UNFINISHED]
    assert ledger.calling == 0


def test_workers_begin_spread_over_an_interval_and_repeat_with_the_seed():
    def firsts(seed: int) -> list[float]:
        return [next(Pace(workers=4, per_second=1, seed=seed).pauses(worker)) for worker in range(4)]

    assert firsts(1) == pytest.approx(firsts(1), abs=0.1)
    assert all(worker / 4 - 0.1 < pause < (worker + 1) / 4 for worker, pause in enumerate(firsts(2)))


def test_the_incident_scales_and_has_every_phase():
    assert sum(act.seconds for act in acts_within(5)) == pytest.approx(5)
    assert SECONDS < 30
    assert {*OUTAGE, RECOVERY} < {act.phase for act in ACTS}


def test_acts_of_one_phase_become_one_period():
    periods = [Period("a", 0, 1), Period("b", 1, 2), Period("b", 2, 3), Period("a", 3, 4)]
    assert merged(periods) == (Period("a", 0, 1), Period("b", 1, 3), Period("a", 3, 4))


def test_the_loop_has_the_numbers_of_the_policy():
    assert POLICY.timeouts == Timeouts(total=2, attempt=ATTEMPT, connect=CONNECT)
    assert POLICY.retry == Retry(max_attempts=MAX_ATTEMPTS, wait_initial=WAIT_INITIAL, wait_max=WAIT_MAX)


def test_a_policy_is_declared_as_one_would_write_it():
    policy = Policy(timeouts=Timeouts(total=2), retry=Retry(wait_max=0.5))
    assert (
        declared(policy)
        == "Policy(timeouts=Timeouts(total=2), retry=Retry(max_attempts=3, wait_initial=0.1, wait_max=0.5))"
    )


def test_the_declared_policy_is_the_policy():
    from resilient_client import Breaker, Bulkhead

    names = {kind.__name__: kind for kind in (Policy, Timeouts, Retry, Breaker, Bulkhead)}
    assert eval(declared(POLICY), names) == POLICY


def test_wording():
    assert [duration(value) for value in (None, 0.0001, 0.0123, 0.9999, 2.5)] == [
        "-",
        "< 1 ms",
        "12 ms",
        "1.00 s",
        "2.50 s",
    ]
    assert [percent(value) for value in (None, 0, 0.001, 0.5, 0.999, 1)] == [
        "-",
        "0 %",
        "< 1 %",
        "50 %",
        "> 99 %",
        "100 %",
    ]
    assert [number(value) for value in (None, 1)] == ["-", "1.00"]
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]


# Conclusions.


def outcome(name: str, *, answers: int = 50, load: int = 10, worst: float = 0.5, first: float | None = 1.0) -> Outcome:
    calls = [Ended(0.0, worst, None if n < answers else "reset", 1) for n in range(100)]
    numbers = summed(calls, 100, load, 0.5)
    return Outcome(name, numbers, numbers, {"down": numbers}, first, 0, 0)


def report(ours: Outcome, loop: Outcome, *, interrupted: bool = False) -> Report:
    return Report(POLICY, 1, interrupted, (Period("down", 0, 1),), (ours, loop))


def test_what_the_numbers_carry_is_said():
    ours = outcome("ours", load=10, worst=0.5, answers=60)
    told = " ".join(conclusions(report(ours, outcome("loop", load=200, worst=4.0, answers=50))))
    assert "2.00 requests to bear for each call made with loop, 0.10 with ours" in told
    assert "No caller of ours waited longer than 500 ms, within the 2 s of the policy; with loop the longest" in told
    assert (
        "ours got no fewer answers for it: of 100 calls that were due, 60 with ours and 50 with loop got one." in told
    )
    assert "first answer reached a caller after 1.00 s with ours and 1.00 s with loop" in told


def test_what_they_do_not_carry_is_not():
    ours = outcome("ours", load=200, worst=4.0, answers=50)
    told = " ".join(conclusions(report(ours, outcome("loop", load=210, worst=0.5, answers=60, first=None))))
    assert "to bear" not in told
    assert "No caller" not in told
    assert "came back" not in told
    assert "loop got more answers for it" in told


def test_a_broken_promise_is_not_called_kept():
    told = " ".join(conclusions(report(outcome("ours", worst=2.5), outcome("loop", worst=9.0))))
    assert "No caller of ours waited longer than 2.50 s; with loop" in told


def test_of_an_incident_broken_off_nothing_is_said_about_its_price():
    told = " ".join(conclusions(report(outcome("ours"), outcome("loop"), interrupted=True)))
    assert "Answers to callers: of 100 calls" in told


def test_of_a_handful_of_calls_nothing_is_said():
    few = Outcome("few", summed([], 0, 0, 0.0), None, {}, None, 0, None)
    assert conclusions(report(few, few)) == []


# Signals.


def test_the_first_signal_is_a_flag_and_the_second_does_not_wait():
    before = signal.getsignal(signal.SIGTERM)
    with stopping() as stop:
        assert not stop.requested
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_is_switched_off_stays_off():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stopping() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGTERM, before)
