"""A process that is killed while it downloads leaves what the next one goes on with, whenever it was."""

import sys

import pytest
from killing import killed


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_after_a_kill_at_any_moment_the_next_process_gets_the_file_right():
    found = killed(6)
    assert found["right"] == 6, found
    assert found["killed"] > 0, found
    assert found["went on"] > 0, found
    assert found["left behind"] == 0, found
