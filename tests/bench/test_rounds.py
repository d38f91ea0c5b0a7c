"""A slow machine gets fewer rounds, never none; a fast one gets those that are wanted."""

import math

from bench.rounds import rounds


def made(most, minutes, *, each):
    now = 0.0
    numbers = []
    for number in rounds(most, minutes, clock=lambda: now):
        numbers.append(number)
        now += 60 * each
    return numbers


def test_all_rounds_that_are_wanted_when_there_is_time():
    assert made(3, 6, each=1) == [0, 1, 2]


def test_no_round_starts_that_would_not_end_in_time():
    assert made(5, 6, each=2.5) == [0, 1]


def test_there_is_always_one():
    assert made(5, 6, each=30) == [0]


def test_without_a_bound_there_are_all():
    assert len(made(5, math.inf, each=1000)) == 5
