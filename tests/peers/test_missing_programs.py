"""A peer that is not installed: a test that needs it is skipped here, and fails in CI."""

from __future__ import annotations

import programs
import pytest
from programs import program


def test_a_program_is_found_wherever_it_is():
    assert program("sh", "it is part of the system").endswith("/sh")


def test_without_the_program_a_test_is_skipped(monkeypatch):
    monkeypatch.delenv(programs.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install no-such-peer"):
        program("no-such-peer", "apt-get install no-such-peer")


def test_in_ci_it_fails(monkeypatch):
    monkeypatch.setenv(programs.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-peer is not installed"):
        program("no-such-peer", "apt-get install no-such-peer")
