"""The kinds of calls that the soak makes. Another kind is a coroutine here and a line in a table below."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, NamedTuple

from resilient_client import CallFailed


class Told(NamedTuple):
    """What a caller was told: the result, how a body broke off, and what of the content was not its own."""

    result: Any
    broken: Any = None
    wrong: str = ""


class OwnTrouble(Exception):
    """The reader of a stream ran into something that has nothing to do with it."""


Ask = Callable[[Any, int], Coroutine[Any, Any, Told]]


@dataclass(frozen=True)
class Kind:
    """A kind of call; `once`: it must not be repeated when nobody knows what came of it."""

    ask: Ask
    weight: int
    once: bool = False

    @property
    def name(self) -> str:
        return self.ask.__name__


def _own(number: int, result: Any) -> str:
    """Say when the answer is that of another call."""
    mine = not result.ok or result.content.startswith(b"%d " % number)
    return "" if mine else f"call {number} was given {result.content[:40]!r}"


async def get(caller: Any, number: int) -> Told:
    result = await caller.request("GET", f"/plain/{number}")
    return Told(result, wrong=_own(number, result))


async def post(caller: Any, number: int) -> Told:
    result = await caller.request("POST", f"/plain/{number}", json={"number": number})
    return Told(result, wrong=_own(number, result))


async def post_with_key(caller: Any, number: int) -> Told:
    result = await caller.request("POST", f"/plain/{number}", content=b"x" * 3000, idempotency_key=f"key-{number}")
    return Told(result, wrong=_own(number, result))


async def read_whole(caller: Any, number: int) -> Told:
    return await _read(caller, number, "iter_bytes", None)


async def read_lines(caller: Any, number: int) -> Told:
    return await _read(caller, number, "iter_lines", None)


async def read_a_little(caller: Any, number: int) -> Told:
    return await _read(caller, number, "iter_lines", 3)


async def open_only(caller: Any, number: int) -> Told:
    return await _read(caller, number, "iter_bytes", 0)


async def fail_while_reading(caller: Any, number: int) -> Told:
    return await _read(caller, number, "iter_lines", 2, then=OwnTrouble())


async def _read(caller: Any, number: int, how: str, upto: int | None, *, then: Exception | None = None) -> Told:
    told = None
    try:
        async with caller.stream("GET", f"/stream/{number}") as result:
            told = Told(result)
            if result and upto != 0:
                told = await _items(caller, number, told, how, upto)
                if then is not None:
                    raise then
    except OwnTrouble:
        pass
    assert told is not None
    return told


async def _items(caller: Any, number: int, told: Told, how: str, upto: int | None) -> Told:
    count, mine = 0, f"{number} "
    try:
        async for item in caller.pieces(getattr(told.result, how)()):
            text = item if isinstance(item, str) else item.decode("latin-1")
            if count == 0 and not text.startswith(mine):
                return told._replace(wrong=f"the stream of call {number} began with {text[:40]!r}")
            count += 1
            if count == upto:
                break
    except CallFailed as problem:
        return told._replace(broken=problem.failure)
    return told


ORDINARY = (
    Kind(get, 60),
    Kind(post, 12, once=True),
    Kind(post_with_key, 8),
    Kind(read_whole, 5),
    Kind(read_lines, 5),
    Kind(read_a_little, 4),
    Kind(open_only, 3),
    Kind(fail_while_reading, 3),
)
"""What is asked of the quick server."""


def _exotic(name: str) -> tuple[Kind, Kind]:
    async def called(caller: Any, number: int) -> Told:
        return Told(await caller.request("GET", f"/{name}?n={number}"))

    async def streamed(caller: Any, number: int) -> Told:
        async with caller.stream("GET", f"/{name}?n={number}") as result:
            return await _all_of(caller, Told(result)) if result else Told(result)

    called.__name__, streamed.__name__ = f"{name}, called", f"{name}, streamed"
    return Kind(called, 2), Kind(streamed, 1)


async def _all_of(caller: Any, told: Told) -> Told:
    try:
        async for _ in caller.pieces(told.result.iter_bytes()):
            pass
    except CallFailed as problem:
        return told._replace(broken=problem.failure)
    return told


def exotic(names: Any) -> tuple[Kind, ...]:
    """What is asked of a paired server that plays `names`."""
    return tuple(kind for name in names for kind in _exotic(name))
