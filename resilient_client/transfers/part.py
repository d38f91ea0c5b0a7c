"""The part file of a download: locked while it is open, right whenever its process is killed.

Rules it keeps:

- Whoever has it open holds its lock, and nobody else writes. The lock goes with the process, however that ends.
- A new body begins with an empty part: it is cut to nothing before the note beside it changes, and the note is there
  before the first byte. So the bytes that are there are always the first ones of what the note names.
- The target is replaced in one step by a part that is whole and on the disk.
- What was opened is the file of that name, and has no other name: else it is another download's result by now.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Final, cast

from resilient_client.transfers.digests import Digest, Running
from resilient_client.transfers.resume import Have, Piece
from resilient_client.transfers.sidecar import Sidecar, directory_synced

REREAD: Final = 4 * 1024 * 1024
"""Bytes read at a time of what was there before."""


def part_of(target: Path) -> Path:
    """Return where the bytes of `target` are until they are all there."""
    return target.with_name(f"{target.name}.part")


def note_of(target: Path) -> Path:
    """Return where it is noted what they are of."""
    return target.with_name(f"{target.name}.part.json")


class Part:
    """The bytes of one target that have come so far. Its methods block, raise `OSError`, and run one at a time."""

    def __init__(self, target: Path, url: str, digest: Digest | None) -> None:
        self.path = part_of(target)
        self.have = Have()
        self._target = target
        self._sidecar = Sidecar(note_of(target), url)
        self._file: FileIO | None = None
        self._digest = digest
        self._running: Running | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is open, and locked."""
        return self._file is not None

    def open(self) -> None:
        """Open and lock it, and see what is there; `BlockingIOError` when somebody else has it."""
        while self._file is None:
            self._file = _opened(self.path)
            try:
                _lock(self._file)
                if not self._is_still_ours():
                    self._let_go()
            except BaseException:
                self._let_go()
                raise
        self.have = self._sidecar.read(os.fstat(self._held().fileno()).st_size)
        self._begin_digest()

    def _held(self) -> FileIO:
        if self._file is None:
            raise OSError(errno.EBADF, "the part file is closed")
        return self._file

    def _is_still_ours(self) -> bool:
        """Return whether its name still leads to it; else it was renamed or removed before the lock was ours."""
        opened = os.fstat(self._held().fileno())
        if not stat.S_ISREG(opened.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        try:
            named = self.path.lstat()
        except FileNotFoundError:
            return False
        if (opened.st_dev, opened.st_ino) != (named.st_dev, named.st_ino):
            return False
        if opened.st_nlink > 1:  # it is somebody's file by another name: that of a download killed between two steps
            self.path.unlink()
            return False
        return True

    def _begin_digest(self) -> None:
        self._running = None if self._digest is None else Running(self._digest)

    def forget(self) -> None:
        """Count what is there for nothing; the next body takes its place."""
        self.have = Have()

    def begin(self, piece: Piece) -> None:
        """Make ready for the bytes of `piece`."""
        file = self._held()
        file.truncate(piece.start)
        if piece.start == 0:
            self._sidecar.remove()
            self._begin_digest()
        if piece.validator is not None and (piece.start == 0 or piece.total != self.have.total):
            self._sidecar.write(piece.validator, piece.total)
        self.have = Have(piece.start, piece.validator, piece.total)
        file.seek(piece.start)

    def write(self, data: bytes) -> None:
        """Add `data`. When that fails, what went in of it counts."""
        file, rest = self._held(), memoryview(data)
        while rest:
            count = cast("int", file.write(rest))
            if self._running is not None:
                self._running.add(rest[:count], self.have.size)
            self.have = replace(self.have, size=self.have.size + count)
            rest = rest[count:]

    def digest_on(self) -> bool:
        """Take bytes that were there before into the digest; False when there are none left to take."""
        running = self._running
        if running is None or running.upto >= self.have.size:
            return False
        data = os.pread(self._held().fileno(), min(REREAD, self.have.size - running.upto), running.upto)
        if not data:
            raise OSError(errno.EIO, "somebody else made it shorter")
        running.add(data, running.upto)
        return True

    def digest(self) -> str | None:
        """Return the digest of all that is there, in hexadecimal; None when none was asked for."""
        return None if self._running is None else self._running.value()

    def commit(self, *, overwrite: bool) -> None:
        """Make it the target; `FileExistsError` when there is one that may not be replaced."""
        os.fsync(self._held().fileno())
        if overwrite:
            self.path.replace(self._target)
        else:
            self._target.hardlink_to(self.path)
            self.path.unlink()
        self._sidecar.tidy()
        directory_synced(self._target.parent)
        self._let_go()

    def discard(self) -> None:
        """Remove it."""
        self._sidecar.remove()
        self.path.unlink(missing_ok=True)
        self._let_go()

    def close(self) -> None:
        """Let go of it, and of its lock. What is there stays; a part without a byte is none."""
        try:
            if self._file is not None and os.fstat(self._file.fileno()).st_size == 0:
                self.discard()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


def _opened(path: Path) -> FileIO:
    """Open without following a link, which somebody else may have put there."""

    def opener(name: str, _: int) -> int:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)

    return FileIO(str(path), "r+", opener=opener)


def _lock(file: FileIO) -> None:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
