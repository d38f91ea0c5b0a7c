"""The order in which a part and its note change: stopped before any step, what is there is what the note says."""

import contextlib
import random
from io import FileIO
from pathlib import Path

import pytest

from resilient_client.transfers.digests import Digest
from resilient_client.transfers.part import Part
from resilient_client.transfers.resume import Piece
from resilient_client.transfers.sidecar import Sidecar

OLD, NEW = random.Random(1).randbytes(600), random.Random(2).randbytes(900)
BODIES = {'"old"': OLD, '"new"': NEW}


class Stopped(BaseException):
    """The process ends here."""


def stopping_before(monkeypatch, step):
    """Have the process end before its n-th change to the file system, counted from 1."""
    left = [step]

    def guard(owner, name):
        change = getattr(owner, name)

        def guarded(self, *args, **options):
            left[0] -= 1
            if left[0] == 0:
                raise Stopped
            return change(self, *args, **options)

        monkeypatch.setattr(owner, name, guarded)

    class File(FileIO):
        pass

    for name in ("truncate", "write"):
        guard(File, name)
    for name in ("unlink", "replace"):
        guard(Path, name)
    guard(Sidecar, "write")
    monkeypatch.setattr("resilient_client.transfers.part.FileIO", File)
    return left


def fetch(path, name, upto=None, at=0):
    """Write the body called `name` in pieces, to its end or up to a byte; then the process is gone."""
    part = Part(path, "http://a/f", None)
    try:
        part.open()
        body = BODIES[name]
        part.begin(Piece(at, len(body), name, len(body)))
        for start in range(at, len(body) if upto is None else upto, 100):
            part.write(body[start : start + 100])
        if upto is None:
            part.commit(overwrite=True)
    finally:
        if part._file is not None:
            part._file.close()


def what_is_there(path):
    part = Part(path, "http://a/f", None)
    part.open()
    have = part.have
    part._let_go()
    return have


def check(path):
    have = what_is_there(path)
    if have.can_go_on:
        left = path.with_name("f.part").read_bytes()
        assert left == BODIES[have.validator][: have.size]
        assert have.total == len(BODIES[have.validator])
    if path.exists():
        assert path.read_bytes() in {b"before", *BODIES.values()}


@pytest.mark.parametrize("at", [0, 300])
def test_stopped_before_any_step_the_next_process_finds_what_the_note_says(tmp_path, at):
    """A part of the old file is there; then the new one begins, or the old one is gone on with."""
    stopped, step = True, 0
    while stopped:
        step += 1
        path = tmp_path / str(step) / "f"
        path.parent.mkdir()
        path.write_bytes(b"before")
        fetch(path, '"old"', upto=300)
        assert what_is_there(path).size == 300
        with pytest.MonkeyPatch.context() as patched:
            left = stopping_before(patched, step)
            with contextlib.suppress(Stopped):
                fetch(path, '"old"' if at else '"new"', at=at)
            stopped = left[0] <= 0
        check(path)
        fetch(path, '"new"')
        assert path.read_bytes() == NEW
        assert [entry.name for entry in path.parent.iterdir()] == ["f"]
    assert step > (5 if at else 12)


def test_a_digest_over_what_was_there_and_what_came(tmp_path):
    import hashlib

    fetch(tmp_path / "f", '"new"', upto=400)
    part = Part(tmp_path / "f", "http://a/f", Digest.parse("sha1:" + "0" * 40))
    part.open()
    part.begin(Piece(400, 900, '"new"', 900))
    part.write(NEW[400:])
    while part.digest_on():
        pass
    assert part.digest() == hashlib.sha1(NEW).hexdigest()
    part.close()
