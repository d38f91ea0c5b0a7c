"""An explanation on a terminal: a table in which what somebody chose stands out from what nobody did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from resilient_client.cli.terminal import one_line
from resilient_client.config.forms import shown

if TYPE_CHECKING:
    from resilient_client.config.explanation import Explanation, Row

DEFAULT: Final = ("", "dim")
CHOSEN: Final = ("bold cyan", "")
CHANGED: Final = ("bold yellow", "yellow")
"""The styles of a value and of its source: nobody's choice, somebody's, and one that `--set` tries out."""

INDENT: Final = 2
WIDEST: Final = 60


def show(explanation: Explanation) -> None:
    """Print title, table, words and drawing."""
    console = Console(highlight=False, emoji=False, markup=False)
    console.print(_text(explanation.title, "bold"))
    console.print(Padding(_table(explanation.rows), (0, 0, 1, INDENT), expand=False))
    for words in explanation.words:
        console.print(_text(words))
    drawing = explanation.worst.drawing(max(10, min(WIDEST, console.width - INDENT - 5)))
    if drawing:
        console.print()
    for line in drawing.splitlines():
        console.print(Padding(_text(line, "dim"), (0, 0, 0, INDENT), expand=False))


def _table(rows: tuple[Row, ...]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for row in rows:
        of_value, of_source = _styles(row)
        table.add_row(_text(row.key), _text(shown(row.value), of_value), _text(row.source, of_source))
    return table


def _styles(row: Row) -> tuple[str, str]:
    if row.source.startswith("default"):
        return DEFAULT
    return CHANGED if row.source.startswith("argument") else CHOSEN


def _text(text: str, style: str = "") -> Text:
    return Text(one_line(text), style=style)
