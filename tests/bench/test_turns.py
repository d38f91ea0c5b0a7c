"""A contender that crashes, hangs, or does not answer loses the case at hand, is named with the reason, and goes on."""

import pytest

from bench import turns
from bench.contenders import Contender
from bench.server import Server

NOWHERE = Server("nobody", 1, 1, 1, "")


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("crashes", {"absent": "ended by SIGKILL"}),
        ("exits", {"absent": "ended with exit code 3"}),
        ("raises", {"absent": "LookupError: no such thing"}),
        ("never answers", {"unfinished": "0 of 1 callers were answered within 0 s"}),
    ],
)
def test_what_goes_wrong_costs_its_case_only(how, found):
    contender = Contender("one", "tests.bench.misbehaving", "one", options={"how": how})
    by_case = turns.turn(contender, ["sync1", "sync1-64k"], NOWHERE, 0.01)
    assert by_case["sync1"] == found
    assert by_case["sync1-64k"]["cpu_us"] > 0


def test_one_that_hangs_is_given_up_by_its_own_interpreter():
    contender = Contender("one", "tests.bench.misbehaving", "one", options={"how": "hangs"})
    assert turns.turn(contender, ["sync1"], NOWHERE, 0.01, limit=1) == {
        "sync1": {"unfinished": "did not end within 1 s"}
    }


def test_one_that_cannot_even_be_imported_is_named():
    contender = Contender("one", "tests.bench.nobody", "one")
    found = turns.turn(contender, ["sync1"], NOWHERE, 0.01)
    assert found == {"sync1": {"absent": "ModuleNotFoundError: No module named 'tests.bench.nobody'"}}
