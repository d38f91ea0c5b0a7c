"""On which line of a TOML file a key stands.

The file is parsed by `tomllib`, which tells no positions; no library that is maintained does. This scanner reads a text
that `tomllib` has accepted, and so may skip over values without judging them.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from typing import Final

Path = tuple[str | int, ...]

MAX_PARTS: Final = 32
"""Parts of one dotted key. More is no configuration, and `tomllib` takes a minute over fifty thousand."""

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_TOO_LONG = re.compile(rf"(?:^|[\[{{,])[ \t]*{_PART}(?:[ \t]*\.[ \t]*{_PART}){{{MAX_PARTS}}}", re.MULTILINE)
_KEY = re.compile(rf"[ \t]*({_PART})[ \t]*(\.)?")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")|'
    r"'''.*?'{3,5}(?!')|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]*")


def too_long(text: str) -> int | None:
    """Return where in `text` a key of too many parts begins, if there is one."""
    found = _TOO_LONG.search(text)
    return None if found is None else found.start()


def lines_of(text: str) -> dict[Path, int]:
    """Return the line of each table, key and array element of `text`, which is valid TOML."""
    scanner = _Scanner(text)
    with suppress(RecursionError):  # nested just less deep than tomllib bears: what was found until then will do
        scanner.scan()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.counted = 0
        self.lines: dict[Path, int] = {}
        self.last: dict[Path, int] = {}

    def scan(self) -> None:
        table: Path = ()
        self.blank()
        while self.at < len(self.text):
            if self.text.startswith("[[", self.at):
                table = self.header(2)
            elif self.text.startswith("[", self.at):
                table = self.header(1)
            else:
                self.pair(table)
            self.blank()

    def blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        if found:
            self.at = found.end()

    def note(self, path: Path) -> None:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        self.lines.setdefault(path, self.line)

    def key(self) -> list[str]:
        parts: list[str] = []
        while found := _KEY.match(self.text, self.at):
            self.at = found.end()
            part = found[1]
            parts.append(tomllib.loads(f"k={part}")["k"] if part[0] in "\"'" else part)
            if not found[2]:
                break
        return parts

    def header(self, brackets: int) -> Path:
        start = self.at
        self.at += brackets
        path: Path = ()
        parts = self.key()
        for part in parts[:-1]:
            path = self.inside((*path, part))
        path = (*path, *parts[-1:])
        if brackets == 2:
            self.last[path] = self.last.get(path, -1) + 1
        path = self.inside(path)
        end = self.text.find("]", self.at)
        self.at = len(self.text) if end < 0 else end + brackets
        after, self.at = self.at, start
        for length in range(1, len(path) + 1):
            self.note(path[:length])
        self.at = after
        return path

    def inside(self, path: Path) -> Path:
        """Return the table that `path` means: the last element when it is an array of tables."""
        return (*path, self.last[path]) if path in self.last else path

    def pair(self, table: Path) -> None:
        start = self.at
        path = table
        parts = self.key()
        after, self.at = self.at, start
        for part in parts:
            path = (*path, part)
            self.note(path)
        self.at = after
        self.blank()
        self.at += 1  # the equals sign, or whatever stands there: never twice at one place
        self.value(path)

    def value(self, path: Path) -> None:
        self.blank()
        string = _STRING.match(self.text, self.at)
        if string:
            self.at = string.end()
        elif self.text.startswith("[", self.at):
            self.many(path, "]")
        elif self.text.startswith("{", self.at):
            self.many(path, "}")
        else:
            found = _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else len(self.text)

    def many(self, path: Path, end: str) -> None:
        self.at += 1
        number = 0
        while True:
            self.blank()
            if self.at >= len(self.text) or self.text[self.at] == end:
                self.at += 1
                return
            if self.text[self.at] == ",":
                self.at += 1
            elif end == "}":
                self.pair(path)
            else:
                self.note((*path, number))
                self.value((*path, number))
                number += 1
