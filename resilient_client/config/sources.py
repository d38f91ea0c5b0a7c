"""Where a policy file's values come from: a TOML file, a table of pyproject.toml, a dict; each knows its places."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Final, NoReturn

from resilient_client.config.forms import shown
from resilient_client.config.toml_lines import MAX_PARTS, Path, lines_of, too_long
from resilient_client.errors import ConfigError, Problem

Source = str | os.PathLike[str] | Mapping[str, Any] | None

NAMED_BY: Final = "RESILIENT_CLIENT_FILE"
"""The environment variable that names the file when the program names none."""

USUAL: Final = "resilient-client.toml"
PYPROJECT: Final = "pyproject.toml"
TABLE: Final = ("tool", "resilient_client")

MAX_BYTES: Final = 16 * 1024 * 1024
"""More is no configuration, whatever it is."""


@dataclass(slots=False)
class Document:
    """What was read: values, what to call them, and on which lines they stand."""

    values: Mapping[str, Any]
    label: str = ""
    text: str = field(default="", repr=False)
    root: tuple[str, ...] = ()

    @cached_property
    def _lines(self) -> dict[Path, int]:
        return lines_of(self.text) if self.text else {}

    def where(self, path: Path) -> str:
        """Return `file:line` of the key at `path`, or of the nearest table around it; empty for a dict."""
        full: Path = (*self.root, *path)
        while full and full not in self._lines:
            full = full[:-1]
        return f"{self.label}:{self._lines[full]}" if full else self.label


def locate(source: Source, environment: Mapping[str, str]) -> FilePath | Mapping[str, Any]:
    """Return the file or the dict that `source` means; raises `ConfigError` when None means nothing."""
    if isinstance(source, Mapping):
        return source
    if source is not None:
        try:
            return FilePath(source)
        except TypeError:
            raise TypeError(f"load_policies({type(source).__name__}): give a path, a dict or None") from None
    named = environment.get(NAMED_BY)
    if named:
        return FilePath(named)
    for name in (USUAL, PYPROJECT):
        if FilePath(name).is_file() and (name == USUAL or _has_table(FilePath(name))):
            return FilePath(name)
    raise ConfigError(
        f"load_policies(): no file was named, {NAMED_BY} is not set, and there is no {USUAL} and no "
        f"{PYPROJECT} with [{'.'.join(TABLE)}] in {FilePath.cwd()}"
    )


def _has_table(path: FilePath) -> bool:
    try:
        return f"[{'.'.join(TABLE)}" in path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False


def digest_of(text: str) -> bytes:
    """Return what stands for a content when it is compared with another."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def read(source: FilePath | Mapping[str, Any], label: str = "") -> Document:
    """Return the document of a file or a dict; raises `ConfigError` for what is no TOML."""
    if isinstance(source, Mapping):
        return Document(source)
    label = label or str(source)
    text = _text_of(source, label)
    values: Any = _parsed(text, label)
    if source.name != PYPROJECT:
        return Document(values, label, text)
    for name in TABLE:
        values = values.get(name, {}) if isinstance(values, dict) else {}
    if not isinstance(values, dict) or not values:
        raise ConfigError(f"{label}: there is no table [{'.'.join(TABLE)}] in it")
    return Document(values, label, text, TABLE)


def read_bytes(path: FilePath) -> bytes:
    """Return the content of a file, a byte more than the most at most; raises `OSError`."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "Is a directory" if path.is_dir() else "Is no regular file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _text_of(path: FilePath, label: str) -> str:
    try:
        raw = read_bytes(path)
    except OSError as problem:
        raise ConfigError(f"{label}: cannot be read: {problem.strerror or problem}") from problem
    except ValueError as problem:  # a NUL in the path
        raise ConfigError(f"{label!r}: not the path of a file: {problem}") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{label}: larger than {MAX_BYTES // 1024**2} MiB, so it is no policy file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        near = _key_near(raw.decode("utf-8", errors="replace"), line)
        _refuse(label, line, near, f"not UTF-8: byte 0x{raw[problem.start]:02x}; save the file as UTF-8")


def _parsed(text: str, label: str) -> dict[str, Any]:
    start = too_long(text)
    if start is not None:
        line = text.count("\n", 0, start) + 1
        _refuse(
            label,
            line,
            f"{shown(text[start:][:20].strip())}",
            f"a key of more than {MAX_PARTS} parts; no key that is known here has so many",
        )
    try:
        return tomllib.loads(text)
    except RecursionError:
        _refuse(label, 1, "", "nested too deeply; no value that is known here is nested at all")
    except ValueError as problem:  # TOMLDecodeError, and a number of more digits than Python reads
        said = str(problem)
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", said)
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        why = said[: found.start()] if found else said
        _refuse(label, line, _key_near(text, line), f"not TOML: {why}")


def _key_near(text: str, line: int) -> str:
    """Return the key that the given line is about, as well as a text that is no TOML tells."""
    lines = text.split("\n")[:line]
    key = re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", lines[-1]) if lines else None
    headers = (re.match(r"\s*\[\[?\s*([^\]\n]+)", one) for one in reversed(lines[-10_000:]))
    header = next((found[1].strip() for found in headers if found), "")
    names = [part for part in (header, key[1] if key else "") if part]
    return ".".join(name if len(name) <= 60 and name.isprintable() else shown(name) for name in names)


def _refuse(label: str, line: int, key: str, said: str) -> NoReturn:
    problem = Problem(f"{label}:{line}", key, said)
    raise ConfigError(f"1 mistake in {label}:\n  {problem}", problems=(problem,))
