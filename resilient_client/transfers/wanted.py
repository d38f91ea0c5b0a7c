"""What a caller of `download` asked for, checked before anything is sent."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from resilient_client.errors import ConfigError
from resilient_client.transfers.digests import Digest

Progress: TypeAlias = Callable[[int, int | None], object]
"""Told how many bytes are in the file, and how many there will be when the server said so."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file, and how it is to come about. `target` is `path` from the root, in case the directory changes."""

    path: Path
    target: Path
    digest: Digest | None
    progress: Progress | None
    overwrite: bool

    @classmethod
    def checked(cls, path: Any, *, digest: Any, progress: Any, overwrite: bool) -> Wanted:
        """Return what the arguments of `download` ask for; raises `TypeError` or `ConfigError`."""
        given = _path(path)
        target = Path(os.path.abspath(given))  # noqa: PTH100 - Path.absolute keeps the dots
        _check_place(given, target, overwrite=overwrite)
        _check_progress(progress)
        return cls(Path(given), target, None if digest is None else Digest.parse(digest), progress, overwrite)


def _path(path: Any) -> str:
    try:
        given = os.fspath(path)
    except TypeError:
        given = None
    if not isinstance(given, str):
        raise TypeError(f"path={path!r}: give a str or a pathlib.Path")
    if not given or "\0" in given:
        raise ConfigError(f"path={path!r}: that is no path of a file")
    return given


def _check_place(given: str, target: Path, *, overwrite: bool) -> None:
    try:
        if target.is_dir() or given.endswith(os.sep):
            raise ConfigError(f"path={given!r}: that is a directory; name the file in it")
        if not target.parent.is_dir():
            raise ConfigError(f"path={given!r}: there is no directory {str(target.parent)!r}; make it first")
        if target.exists() and not target.is_file():
            raise ConfigError(f"path={given!r}: that is no regular file, and would be replaced by one")
        if not overwrite and os.path.lexists(target):
            raise ConfigError(f"path={given!r}: it is there already, and overwrite=False")
    except OSError as problem:
        raise ConfigError(f"path={given!r}: {problem.strerror}") from problem


def _check_progress(progress: Any) -> None:
    if progress is not None and not callable(progress):
        raise TypeError(f"progress={progress!r}: give a function of two numbers")
    if inspect.iscoroutinefunction(progress):
        raise TypeError(f"progress={progress!r}: give an ordinary function; it is called, not awaited")
