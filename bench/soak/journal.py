"""What the far sides saw: a byte per call, in a file that all processes map. A killed server forgets nothing."""

from __future__ import annotations

import mmap
from pathlib import Path

MOST = 255


class Journal:
    """How often each call arrived, by its number; written by one process at a time for each number."""

    def __init__(self, path: str | Path, *, size: int = 0) -> None:
        if size:
            Path(path).write_bytes(bytes(size))
        with Path(path).open("r+b") as file:
            self._seen = mmap.mmap(file.fileno(), 0)

    def saw(self, number: int) -> None:
        self._seen[number] = min(MOST, self._seen[number] + 1)

    def count(self, number: int) -> int:
        return self._seen[number]

    @property
    def total(self) -> int:
        return sum(self._seen[:])

    def close(self) -> None:
        self._seen.close()
