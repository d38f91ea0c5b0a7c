"""What goes on in the background until it is stopped: `with` it, or call `stop()`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class UntilStopped(ABC):
    """Something with a thread of its own that a block may bound."""

    @abstractmethod
    def stop(self) -> None:
        """End it; harmless when that was done."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
