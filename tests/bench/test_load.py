"""The load counts what was answered in its window, and knows who never was."""

import asyncio

import pytest

from bench import load
from bench.cases import Target


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(load, "WARM_UP", 0.0)
    monkeypatch.setattr(load, "PATIENCE", 0.3)


def test_a_window_of_threads_sees_requests_and_cpu(hurried):
    measured = load.blocking(lambda: b"abc", Target("", 3, 2), 0.05)
    assert measured.requests >= load.ENOUGH
    assert 0 < measured.as_json()["cpu_us"] < 1000


def test_a_window_of_tasks_sees_requests_and_cpu(hurried):
    async def get():
        await asyncio.sleep(0)
        return b"abc"

    measured = asyncio.run(load.asynchronous(get, Target("", 3, 2), 0.05))
    assert measured.requests >= load.ENOUGH


def test_a_caller_that_is_never_answered_is_said_to_have_been_given_up(hurried):
    answered = []

    async def get():
        if answered:
            await asyncio.sleep(60)
        answered.append(True)
        return b"abc"

    with pytest.raises(load.DidNotFinish, match="1 of 2 callers were answered"):
        asyncio.run(load.asynchronous(get, Target("", 3, 2), 0.05))


def test_an_answer_that_is_cut_off_is_no_result(hurried):
    with pytest.raises(AssertionError, match="2 bytes instead of 3"):
        load.blocking(lambda: b"ab", Target("", 3, 1), 0.05)
