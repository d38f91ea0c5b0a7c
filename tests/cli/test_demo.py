"""`demo`: runs to its end in each of its three ways to show itself, and leaves at once on Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

OURS = ("Client", "AsyncClient")
PHASES = ["healthy", "slow", "failing", "down", "recovering", "healthy again"]


@pytest.fixture(scope="module")
def told():
    """The final numbers of one shortened run."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "resilient_client",
        "demo",
        "--seconds",
        "5",
        "--seed",
        "7",
        "--json",
    ]
    ran = subprocess.run(command, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    return json.loads(ran.stdout)


def test_it_lives_through_all_phases(told):
    assert [period["phase"] for period in told["phases"]] == PHASES
    assert told["phases"][-1]["end"] < 10
    assert (told["seed"], told["interrupted"]) == (7, False)
    for contender in told["contenders"].values():
        assert list(contender["phases"]) == PHASES


def test_the_numbers_fit_each_other(told):
    for contender in told["contenders"].values():
        total = contender["total"]
        assert total["calls"] == sum(phase["calls"] for phase in contender["phases"].values())
        assert total["calls"] == total["successes"] + sum(total["failures"].values())
        assert total["calls"] <= total["due"]
        assert total["p50"] <= total["p99"] <= total["worst"]
        assert 0 < total["busy"] <= 1


def test_while_all_is_well_one_call_is_one_request_for_everybody(told):
    for contender in told["contenders"].values():
        healthy = contender["phases"]["healthy"]
        assert healthy["calls"] > 0
        # A machine that stands still for longer than an attempt may take costs the two or three calls under way.
        assert healthy["successes"] > 0.8 * healthy["calls"]
        assert 0.9 < healthy["load_per_call"] < 1.3


def test_while_it_is_down_our_load_per_call_is_below_the_loops(told):
    loop = told["contenders"]["httpx+tenacity"]["phases"]["down"]["load_per_call"]
    for name in OURS:
        assert told["contenders"][name]["phases"]["down"]["load_per_call"] < loop


def test_our_callers_wait_no_longer_than_the_policy_allows(told):
    total = told["policy"]["timeouts"]["total"]
    for name in OURS:
        # What is measured is a caller's time on a busy machine, not only the time inside the client.
        assert told["contenders"][name]["total"]["worst"] < total + 1


def test_nothing_is_left_behind(told):
    for contender in told["contenders"].values():
        assert contender["workers_stuck"] == 0
        assert contender["permits_stuck"] in {0, None}


def test_in_a_pipe_there_is_a_line_a_second_and_ctrl_c_prints_what_was_measured(spawn):
    running = spawn("demo", "--seconds", 20)
    first = running.line_with("  1.0 s  healthy")
    for name in (*OURS, "httpx+tenacity"):
        assert f"{name}: " in first
    began = time.monotonic()
    running.send(signal.SIGINT)
    ran = running.end()
    assert time.monotonic() - began < 5
    assert ran.code == 130
    assert ran.err == ""
    assert "Policy(timeouts=Timeouts(" in ran.out
    assert "interrupted" in ran.out
    assert "requests the server saw" in ran.out
    assert "\x1b" not in ran.out


def test_on_a_terminal_it_is_a_picture_that_moves(on_terminal):
    shown = on_terminal("demo", "--seconds", 2, "--seed", 7)
    assert "in the last second" in shown
    assert "requests the server saw" in shown
    assert "\x1b[" in shown
