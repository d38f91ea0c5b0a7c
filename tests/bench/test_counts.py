"""What a plain GET costs, in exact counts: a regression shows here on any machine, however busy."""

import json

import pytest

from bench import counters, counting


@pytest.mark.parametrize("kind", counters.KINDS)
def test_a_request_costs_no_more_calls_than_are_recorded(kind):
    assert counters.complaints(kind) == []


def test_what_costs_more_is_named_with_what_to_do(monkeypatch, tmp_path):
    recorded = {counters.VERSION: {"blocking": {"python": 100, "builtin": 100, "system": 4}}}
    monkeypatch.setattr(counters, "RECORDED", tmp_path / "counts.json")
    counters.RECORDED.write_text(json.dumps(recorded))
    monkeypatch.setattr(counters, "count", lambda kind: {"python": 102, "builtin": 103, "system": 5})

    builtins, system = counters.complaints("blocking")
    assert "103 calls of builtins; 100 are recorded" in builtins
    assert "5 system calls; 4 are recorded" in system
    assert "python -m bench.counters --record" in system


def test_counts_are_of_one_request_and_of_nobody_but_the_client():
    found = []

    def call_twice():
        len("")
        len("")

    for _ in counting.profiled(3, found):
        call_twice()

    assert found == [{"python": 1, "builtin": 2, "system": 0}] * 3
