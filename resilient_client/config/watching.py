"""Watch a policy file and read it again when it changes: by the system's events, and by a look every second.

What is watched are directories, never the file itself: editors replace a file by renaming another one over it, and
Kubernetes swaps a symbolic link two levels up. The look makes up for file systems that tell nothing.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resilient_client.config.sources import digest_of, read_bytes
from resilient_client.errors import ConfigError
from resilient_client.events import log
from resilient_client.until_stopped import UntilStopped

if TYPE_CHECKING:
    from resilient_client.config.policies import Policies

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the file when no event came."""

SETTLE: Final = 50
"""Milliseconds without another change before the file is read: whoever writes it should be done."""

GONE_FOR: Final = 1.0
"""Seconds a file may be away or empty, while it is being replaced or written, before that is told."""


class Watch(UntilStopped):
    """A thread that reads the file again when its content changes; `stop()` it, or use it in a `with`."""

    def __init__(self, policies: Policies, path: Path, *, look_every: float = LOOK_EVERY) -> None:
        """Start to watch; raises `ConfigError` without the extra `watch`."""
        try:
            import watchfiles  # noqa: F401, PLC0415 - an extra
        except ImportError:
            raise ConfigError("watch() needs watchfiles; install resilient-client[watch]") from None
        self._policies = policies
        self._path = path.absolute()
        self._look_every = look_every
        self._stopped = threading.Event()
        self._seen: bytes | None = policies.digest
        self._missing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended. Harmless when it has already."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch_until_moved()
            except Exception:  # noqa: BLE001 - a directory that went away, a limit of the system: look by the clock
                log.exception("watching %s by events failed; it is looked at every %g s", self._path, self._look_every)
                self._look()
                self._stopped.wait(self._look_every)

    def _watch_until_moved(self) -> None:
        """Watch the directories that lead to the file, until they are others."""
        from watchfiles import watch  # noqa: PLC0415 - an extra

        steps = self._steps()
        directories = {step.parent for step in steps if step.parent.is_dir()}
        changes = watch(
            *directories,
            watch_filter=lambda _, path: Path(path) in steps,
            recursive=False,
            step=SETTLE,
            stop_event=self._stopped,
            rust_timeout=int(self._look_every * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        self._look()  # it may have changed before the watch stood
        for _ in changes:
            self._look()
            if self._steps() != steps:
                return

    def _steps(self) -> set[Path]:
        """Return every name on the way to the file that can be replaced: its own, and those of links to it."""
        found: set[Path] = set()
        path = self._path
        for _ in range(40):  # as many links as Linux follows
            found.add(path)
            link = next((one for one in (path, *path.parents) if one.is_symlink()), None)
            if link is None:
                break
            found.add(link)
            path = link.parent / link.readlink() / path.relative_to(link)
        return found

    def _content(self) -> bytes | None:
        """Return what stands for the file's content; None while there is no file, or an empty one."""
        try:
            content = read_bytes(self._path)
        except (OSError, ValueError):
            return None
        return digest_of(content.decode("utf-8-sig", "surrogateescape")) if content.strip() else None

    def _settled(self) -> bytes | None:
        """Return the content once two readings agree: a file that is written in place may be read half-way."""
        content = self._content()
        while content != self._seen and not self._stopped.wait(SETTLE / 1000):
            before, content = content, self._content()
            if content == before:
                break
        return content

    def _look(self) -> None:
        content = self._settled()
        if content is None and not self._gone_too_long():
            return
        if content is not None:
            self._missing_since = None
        if content == self._seen:
            return
        self._seen = content
        try:
            self._policies.reload()
        except ConfigError:
            return  # the listeners were told, and what held before holds
        except Exception:  # noqa: BLE001 - a listener's, or a fault of ours: it must not end the watch
            log.exception("%s could not be read again; what held before holds", self._path)

    def _gone_too_long(self) -> bool:
        now = time.monotonic()
        if self._missing_since is None:
            self._missing_since = now
        return now - self._missing_since >= GONE_FOR
