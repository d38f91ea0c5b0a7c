"""Tables, as text for a terminal and as Markdown for the documentation."""

from __future__ import annotations

from dataclasses import dataclass


def number(value: float | None, places: int = 0) -> str:
    """Return a number for people; nothing for one that is not there."""
    return "" if value is None else f"{value:,.{places}f}"


@dataclass(frozen=True)
class Table:
    """Rows under a header; the first column is a name, the others are numbers."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    key: str = ""

    def text(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(_plain(line[place])) for line in lines) for place in range(len(self.header))]
        shown = [
            "  ".join([_plain(line[0]).ljust(widths[0]), *(cell.rjust(width) for cell, width in _rest(line, widths))])
            for line in lines
        ]
        return "\n".join([f"\n{self.title}", *(f"  {line}".rstrip() for line in shown)])

    def markdown(self) -> str:
        marks = ["---", *("---:" for _ in self.header[1:])]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.header, *self.rows)]
        return "\n".join([lines[0], f"|{'|'.join(marks)}|", *lines[1:]])


def _plain(cell: str) -> str:
    return cell.replace("*", "")


def _rest(line: tuple[str, ...], widths: list[int]) -> list[tuple[str, int]]:
    return list(zip(line[1:], widths[1:], strict=True))
