"""Usage errors: said in one line that names the option, with exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer


def wrong(option: str, problem: str) -> typer.BadParameter:
    """Return the error to raise for a wrong value of `option`."""
    return typer.BadParameter(problem, param_hint=option)


@contextmanager
def told_as_usage() -> Iterator[None]:
    """Tell what the client refuses before it sends anything as a usage error."""
    try:
        yield
    except ValueError as refused:  # ConfigError among them; what the network does is never an exception
        raise typer.BadParameter(str(refused)) from None


def why(problem: OSError) -> str:
    """Return what the system says, without number and path."""
    return problem.strerror or str(problem)


def read_file(path: str, option: str) -> bytes:
    """Return the content of `path`; a usage error when it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as problem:
        raise wrong(option, f"cannot read {path}: {why(problem)}") from None


def write_file(path: Path, text: str, option: str, *, new: bool = False) -> None:
    """Write `text` to `path`; a usage error when that cannot be, or when it has to be new and is not."""
    try:
        with path.open("x" if new else "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise wrong(option, f"{path} is there already; --force overwrites it") from None
    except OSError as problem:
        raise wrong(option, f"cannot write {path}: {why(problem)}") from None
