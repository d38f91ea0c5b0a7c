"""How far a download is: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from resilient_client.cli.terminal import safe, styled


@contextmanager
def told_on_the_way(name: str, *, quiet: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """Give the function to tell how far it is; None when nobody looks. The bar is gone when the block has ended."""
    if quiet or not styled():
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(highlight=False), transient=True) as shown:
        task = shown.add_task(safe(name), total=None)

        def tell(done: int, total: int | None) -> None:
            shown.update(task, completed=done, total=total)

        yield tell
