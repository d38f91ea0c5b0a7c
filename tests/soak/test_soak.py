"""The soak itself must not rot: a few seconds of it in every run, all of it with `make soak`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(
    not (Path("/proc/self/fd").exists() and (ROOT / "bench" / "soak").exists()), reason="needs Linux, and the sources"
)


def soak(*options):
    return subprocess.run(
        [sys.executable, "-m", "bench.soak", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_small_soak_finds_nothing_wrong():
    done = soak("--calls=1500", "--seconds=20", "--noise=10", "--growth=100", "--objects=1000000")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing hung, nothing leaked, every journal agrees" in done.stdout


def test_a_soak_that_finds_something_says_so_and_fails():
    done = soak("--calls=300", "--seconds=20", "--noise=-1", "--growth=100", "--objects=1000000")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "WRONG" in done.stdout
    assert "after its deadline" in done.stdout
