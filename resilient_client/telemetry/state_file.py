"""A file that is replaced by the state of this process, again and again: for containers without a port."""

from __future__ import annotations

import os
import threading
from math import isfinite
from pathlib import Path
from typing import Any, Final

from resilient_client.errors import ConfigError
from resilient_client.events import log
from resilient_client.forking import on_fork
from resilient_client.telemetry.published import Published
from resilient_client.until_stopped import UntilStopped

LEAST: Final = 0.05
"""Seconds between two writes, at least."""


class StateFile(UntilStopped):
    """Writes the state of this process to `path` until `stop`, or for as long as a `with` lasts.

    A reader finds a whole document at any moment. The last one stays when it is over.
    """

    def __init__(self, path: str | os.PathLike[str], every: float) -> None:
        """Write for the first time and begin to record; raises `ConfigError`, or `OSError` when that cannot be."""
        _check(every)
        self.path: Path = Path(path).absolute()
        self._new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        self._every = every
        self._failing = False
        self._stopped = threading.Event()
        self._published = Published(every=every)
        try:
            self._write()
        except OSError:
            self._published.stop()
            raise
        self._thread = threading.Thread(target=self._run, name=f"state in {self.path}", daemon=True)
        self._thread.start()
        on_fork(self)

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            self._try_to_write()

    def _try_to_write(self) -> None:
        """Write, and tell once that it does not work; it may work again."""
        try:
            self._write()
            self._failing = False
        except Exception:  # noqa: BLE001 - a full disk or a folder that went away must not end it
            if not self._failing:
                self._failing = True
                log.warning("the state cannot be written to %s", self.path, exc_info=True)

    def _write(self) -> None:
        """Put a new file in the place of the old one."""
        self._new.unlink(missing_ok=True)
        try:
            with self._new.open("xb") as file:
                file.write(self._published.document())
            self._new.replace(self.path)
        except OSError:
            self._new.unlink(missing_ok=True)
            raise

    def stop(self) -> None:
        """Write for the last time, and record nothing more; harmless when that was done."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._thread.join()
            self._try_to_write()
            self._published.stop()

    def after_fork(self) -> None:
        """Leave the file to the parent, whose it is."""
        self._stopped = threading.Event()
        self._stopped.set()


def _check(every: Any) -> None:
    number = isinstance(every, (int, float)) and not isinstance(every, bool) and isfinite(every)
    if not number or every < LEAST:
        raise ConfigError(f"every={every!r}: give a number of seconds, at least {LEAST:g}")
