"""Many calls side by side: what each is to be, and their results in order."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, Unpack

from typing_extensions import TypeVar

from resilient_client.call_options import CallOptions
from resilient_client.redact import redact_url
from resilient_client.result import Result

if TYPE_CHECKING:
    from resilient_client.backends import Backend

T = TypeVar("T", default=None)

Start: TypeAlias = Callable[[], Coroutine[Any, Any, Result[Any]]]
"""Begins a call."""


class Request(Generic[T]):
    """The arguments of one call, for `gather`: those of `client.request`."""

    __slots__ = ("decode", "method", "options", "url")

    def __init__(self, method: str, url: str, *, decode: type[T] | None = None, **options: Unpack[CallOptions]) -> None:
        self.method = method
        self.url = url
        self.decode = decode
        self.options = options

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {redact_url(str(self.url))!r})"


def request_of(item: Request[T] | str, position: int) -> Request[T]:
    """Return an item of `gather` as a request; raises `TypeError`."""
    if isinstance(item, Request):
        return item
    if isinstance(item, str):
        return Request("GET", item)
    raise TypeError(f"requests[{position}]={item!r}: give a Request, or a URL to GET")


async def gather(backend: Backend, starts: Sequence[Start], at_once: int) -> list[Result[Any]]:
    """Return the results of all calls in their order, of which `at_once` are under way at a time.

    When one raises, or whoever waits is interrupted, no other is begun.
    """
    results: list[Result[Any] | None] = [None] * len(starts)
    turns = iter(range(len(starts)))

    async def take_turns() -> None:
        try:
            for turn in turns:
                results[turn] = await starts[turn]()
        finally:
            _exhaust(turns)

    try:
        await backend.together([take_turns] * min(at_once, len(starts)))
    finally:
        _exhaust(turns)
    return [result for result in results if result is not None]


def _exhaust(turns: Iterator[int]) -> None:
    for _ in turns:
        pass
