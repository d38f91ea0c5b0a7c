"""The note beside a part file: which representation its bytes are of, so that another process can go on.

It holds no URL, since those have secrets in them, only a hash to know the same one again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

from resilient_client.transfers.resume import Have, is_field_value

MOST: Final = 64 * 1024
"""Bytes that are read of a file of that name; ours has some two hundred."""


class Sidecar:
    """The note of one part file, about one URL."""

    def __init__(self, path: Path, url: str) -> None:
        self._path = path
        self._url = hashlib.sha256(url.encode()).hexdigest()

    def read(self, size: int) -> Have:
        """Return what `size` bytes in the part file are, nothing when there is no note that fits."""
        try:
            with self._path.open("rb") as file:
                return self._have(json.loads(file.read(MOST)), size)
        except (OSError, ValueError, RecursionError):
            return Have()

    def _have(self, note: Any, size: int) -> Have:
        if not isinstance(note, dict) or note.get("url_sha256") != self._url:
            return Have()
        validator, total = note.get("validator"), note.get("total")
        if not isinstance(validator, str) or not validator or not is_field_value(validator):
            return Have()
        if total is not None and type(total) is not int:
            return Have()
        return Have(size, validator, total)

    def write(self, validator: str, total: int | None) -> None:
        """Put the note there whole or not at all."""
        note = {"url_sha256": self._url, "validator": validator, "total": total}
        unfinished = self._path.with_name(f"{self._path.name}.tmp")
        unfinished.unlink(missing_ok=True)
        with unfinished.open("x", encoding="ascii") as file:
            json.dump(note, file)
        unfinished.replace(self._path)

    def remove(self) -> None:
        """Take the note away."""
        self._path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Take it away when its file is done with; one that stays harms nobody."""
        with contextlib.suppress(OSError):
            self.remove()


def directory_synced(directory: Path) -> None:
    """Have what was renamed in `directory` outlast a loss of power, where the file system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
