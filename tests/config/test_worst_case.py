"""How long one call can take, in numbers, in words and as a drawing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_client import Policy, Retry, Timeouts
from resilient_client.testing import VirtualWorld, steps
from resilient_client.worst_case import worst_case


def policy(retry=None, **timeouts):
    return Policy(timeouts=Timeouts(**timeouts), retry=retry)


def test_attempts_and_pauses_add_up_to_the_deadline():
    worst = worst_case(policy(Retry(), attempt=2, total=5))
    assert worst.words() == "at most 3 attempts, worst case 5.0 s: 2.0 + 0.1 + 2.0 + 0.2 + 0.7"
    assert worst.cut


def test_without_a_deadline_everything_that_is_allowed_adds_up():
    worst = worst_case(policy(Retry(max_attempts=2, wait_initial=0.5), attempt=2, total=None))
    assert worst.words() == "at most 2 attempts, worst case 4.5 s: 2.0 + 0.5 + 2.0"
    assert not worst.cut


def test_a_single_attempt_has_no_pause():
    assert worst_case(policy(attempt=2, total=5)).words() == "at most 1 attempt, worst case 2.0 s: 2.0"


def test_a_pause_with_nothing_behind_it_is_not_slept():
    worst = worst_case(policy(Retry(wait_initial=3, wait_max=3), attempt=2, total=4))
    assert [span.kind for span in worst.spans] == ["attempt"]


def test_what_nothing_bounds_is_said():
    worst = worst_case(policy(Retry(), attempt=None, total=None, read=None))
    assert worst.words() == "at most 3 attempts, and nothing bounds the time of one"
    assert worst.drawing() == ""


def test_hundreds_of_attempts_are_told_in_sum():
    worst = worst_case(policy(Retry(max_attempts=500, wait_max=1), attempt=1, total=None))
    assert worst.seconds == pytest.approx(500 + 0.1 + 0.2 + 0.4 + 0.8 + 495)
    assert worst.words().endswith("...")


def test_the_drawing_is_to_scale():
    bar, scale = worst_case(policy(Retry(), attempt=2, total=5)).drawing(50).splitlines()
    assert bar.count("=") > 40
    assert scale.startswith("0")
    assert scale.endswith("5.0 s")
    assert len(bar) == len(scale)


@settings(max_examples=60)
@given(
    st.integers(1, 6),
    st.floats(0.1, 5),
    st.floats(0.1, 30),
    st.floats(0.01, 2),
    st.floats(1, 4),
)
def test_a_call_to_a_server_that_hangs_takes_exactly_the_worst_case(attempts, attempt, total, initial, factor):
    retry = Retry(max_attempts=attempts, wait_initial=initial, factor=factor, jitter="none", budget=None)
    chosen = Policy(
        timeouts=Timeouts(attempt=min(attempt, total), total=total), retry=retry, breaker=None, bulkhead=None
    )
    world = VirtualWorld()
    world.on("/", steps.hang())
    result = world.client("a", policy=chosen).get("/")
    worst = worst_case(chosen)
    assert sum(span.seconds for span in worst.spans) == pytest.approx(result.elapsed, abs=1e-6)
    assert len(result.attempts) == sum(span.kind == "attempt" for span in worst.spans)
    assert result.elapsed <= worst.seconds + 1e-6
