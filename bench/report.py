"""Tables, as text for a terminal and as Markdown for the documentation."""

from __future__ import annotations

import sys
from dataclasses import dataclass


def number(value: float | None, places: int = 0) -> str:
    """Return a number for people; nothing for one that is not there."""
    return "" if value is None else f"{value:,.{places}f}"


def ratio(value: float | None) -> str:
    """Return a ratio with two digits that count."""
    return "" if value is None else f"{value:.{2 if value >= 0.1 else 3}f}"


@dataclass(frozen=True)
class Table:
    """Rows under a header; the first columns are words, the others are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    key: str = ""
    words: int = 1
    """How many of the columns are words."""

    def text(self) -> str:
        lines = [[cell.replace("*", "").replace("`", "") for cell in line] for line in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        left = [str.ljust] * self.words + [str.rjust] * (len(widths) - self.words)
        aligned = [[fit(*cell) for fit, *cell in zip(left, line, widths, strict=True)] for line in lines]
        shown = ["  ".join(line) for line in aligned]
        return "\n".join([f"\n{self.title}", *(f"  {line}".rstrip() for line in shown)])

    def markdown(self) -> str:
        marks = ["---"] * self.words + ["---:"] * (len(self.header) - self.words)
        lines = [f"| {' | '.join(cells)} |" for cells in (self.header, *self.rows)]
        return "\n".join([lines[0], f"|{'|'.join(marks)}|", *lines[1:]])


def say(progress: str) -> None:
    """Show how far it is, to somebody at a terminal."""
    if sys.stderr.isatty():
        print(f"\r{progress:60.60}\r", end="", file=sys.stderr, flush=True)
