"""What was to be reached, and what was measured: `python -m bench.goals` says so of the committed results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from bench import imports, scale
from bench.ratios import measured, ratio_of
from bench.report import Table

Results = dict[str, Any]
"""What each part found, by the part's name."""


@dataclass(frozen=True)
class Goal:
    """A number to stay below, or to stay above, and how the results tell it."""

    case: str
    bound: float
    of: str
    """What the number is, after the number."""
    look: Callable[[Results], float | None]
    at_least: bool = False

    @property
    def words(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g} {self.of}"

    def found(self, results: Results) -> float | None:
        """Return what was measured; nothing where the results do not have it."""
        try:
            return self.look(results)
        except KeyError:
            return None

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


# Where the results have it.


def layers(name: str) -> Callable[[Results], float]:
    return lambda results: median(results["layers"]["us"][f"layers alone, {name}"])


def compared(case: str, who: str, other: str, key: str = "cpu_us") -> Callable[[Results], float | None]:
    def look(results: Results) -> float | None:
        contenders = results["compare"]["cases"][case]
        return ratio_of(contenders[who], contenders[other], key)

    return look


def ahead_of(case: str, who: str, *others: str) -> Callable[[Results], float | None]:
    """Return how to find the ratio to the cheapest of the others."""

    def look(results: Results) -> float | None:
        contenders = results["compare"]["cases"][case]
        ratios = [ratio_of(contenders[who], contenders.get(other)) for other in others]
        return max((value for value in ratios if value is not None), default=None)

    return look


def grown(curve: str, count: int) -> Callable[[Results], float | None]:
    return lambda results: scale.growth(results["scale"]["curves"][curve], count)


def memory(count: int) -> Callable[[Results], float | None]:
    """Return how to find the ratio to httpx, with as many in flight as it could take."""

    def look(results: Results) -> float | None:
        ours, httpx = (results["memory"]["in_flight"][name] for name in ("ours", "httpx"))
        took = [int(most) for most, point in httpx.items() if measured(point) and int(most) <= count]
        one = ours[str(count)]
        return median(one["kib"]) / median(httpx[str(max(took))]["kib"]) if measured(one) and took else None

    return look


def importing(results: Results) -> float:
    return imports.over_peers(results["imports"])


SYNC: Final = "x CPU of bare `httpx.Client`"
ASYNC: Final = "x CPU of bare `httpx.AsyncClient`"
PYREQWEST: Final = "wire pyreqwest"
AT_TEN: Final = "x CPU per call with 10"
HTTPX_MEMORY: Final = "x bare httpx's, with as many as it can take"

GOALS: Final = (
    Goal("policy layers alone, blocking", 8, "us", layers("blocking")),
    Goal("policy layers alone, asynchronous", 8, "us", layers("asynchronous")),
    Goal("a call rejected by an open circuit", 4, "us", layers("rejected by an open circuit")),
    Goal("default wire, sync, 1 thread", 0.60, SYNC, compared("sync1", "ours", "httpx")),
    Goal("default wire, sync, 16 threads", 0.50, SYNC, compared("sync16", "ours", "httpx")),
    Goal("default wire, async, 1 at once", 0.70, ASYNC, compared("async1", "ours", "httpx")),
    Goal(
        "default wire, async, 100 at once",
        30,
        "x requests per second of bare `httpx.AsyncClient`",
        compared("async100", "ours", "httpx", "per_second"),
        at_least=True,
    ),
    Goal("default wire, async, 100 at once", 4, "x CPU of aiohttp", compared("async100", "ours", "aiohttp")),
    Goal(f"{PYREQWEST}, sync, 1 thread", 0.25, SYNC, compared("sync1", "ours-pyreqwest", "httpx")),
    Goal(
        f"{PYREQWEST}, sync, 1 thread",
        1,
        "x CPU of the cheapest of urllib3, requests, niquests",
        ahead_of("sync1", "ours-pyreqwest", "urllib3", "requests", "niquests"),
    ),
    Goal(f"{PYREQWEST}, async, 1 at once", 0.9, "x CPU of aiohttp", compared("async1", "ours-pyreqwest", "aiohttp")),
    Goal(
        f"{PYREQWEST}, async, 100 at once", 0.9, "x CPU of aiohttp", compared("async100", "ours-pyreqwest", "aiohttp")
    ),
    Goal("1,000 in flight, async", 1.5, AT_TEN, grown("in_flight", 1_000)),
    Goal("10,000 in flight, async", 1.5, AT_TEN, grown("in_flight", 10_000)),
    Goal("10,000 origins of one client", 1.5, AT_TEN, grown("origins", 10_000)),
    Goal("1,000 clients in one process", 1.5, AT_TEN, grown("clients", 1_000)),
    Goal("10,000 URLs of one server", 1.5, AT_TEN, grown("urls", 10_000)),
    Goal("10,000 circuits of one client", 1.5, AT_TEN, grown("circuits", 10_000)),
    Goal("memory per call, 1,000 in flight", 0.9, HTTPX_MEMORY, memory(1_000)),
    Goal("memory per call, 10,000 in flight", 0.9, HTTPX_MEMORY, memory(10_000)),
    Goal("`import resilient_client`", 1.15, "x CPU of `import httpx, opentelemetry.trace`", importing),
)


def table(results: Results, *, whole: bool = True) -> Table:
    """Return a row per goal; without `whole` only those that these results tell something of."""
    found = [(goal, goal.found(results)) for goal in GOALS]
    rows = [
        (goal.case, goal.words, *(("", "not measured") if value is None else (f"{value:.2f}", _met(goal, value))))
        for goal, value in found
        if whole or value is not None
    ]
    return Table("Goals", ("case", "goal", "measured", "met"), rows, "goals", words=2)


def _met(goal: Goal, value: float) -> str:
    return "yes" if goal.met(value) else "**no**"


if __name__ == "__main__":
    from bench.page import results

    print(table(results()).text())
