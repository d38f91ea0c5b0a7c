"""Durations and sizes, as they are written in a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("1s", 1), ("1m30s", 90), ("2h", 7200), ("1h1m1s1ms", 3661.001), ("0s", 0), ("99999ms", 99.999)],
)
def test_a_duration_is_read_as_gep_2257_says(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "1.5s", "-1s", "1 s", "1S", "1us", "100000s", "1s1s1s1s1s", "s", "1d", "１s", "1s\n", "ms"]
)
def test_what_gep_2257_does_not_know_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("1.5s", "1s500ms"), ("5 secs", "5s"), ("10seconds", "10s"), ("3Min", "3m"), ("0.5 m", "30s")]
)
def test_what_was_meant_is_proposed(text, meant):
    with pytest.raises(ValueError, match=f'"{meant}"'):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_a_duration_of_whole_milliseconds_survives_being_written_and_read(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@given(st.floats(0, 1e12, allow_nan=False))
def test_any_other_duration_is_written_as_the_number_it_is(seconds):
    written = format_duration(seconds)
    assert (parse_duration(written) if written[-1].isalpha() else float(written)) == seconds


@given(st.integers(0, 10**14))
def test_a_size_survives_being_written_and_read(size):
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(("text", "meant"), [("10MB", "10MiB"), ("5kb", "5KiB"), ("1G", "1GiB"), ("7 MiB", "7MiB")])
def test_decimal_units_are_refused_and_the_binary_ones_proposed(text, meant):
    with pytest.raises(ValueError, match=f'did you mean "{meant}"'):
        parse_size(text)
