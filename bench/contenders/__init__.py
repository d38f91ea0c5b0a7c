"""Who is measured: one file per way to call a server, each with `blocking(target)`, `asynchronous(target)`, or both.

They are context managers that yield a function: called, or awaited, it sends one GET and returns the whole body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from bench.cases import Kind


@dataclass(frozen=True)
class Contender:
    """One way to call a server."""

    name: str
    module: str
    title: str
    packages: tuple[str, ...] = ()
    """Whose versions are told with the results."""
    options: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[Kind, ...] = ("blocking", "asynchronous")
    loop: str = ""
    """The module whose event loop it runs on, in place of asyncio's own."""
    environment: str = ""
    """The package that needs a virtual environment of its own, since it replaces one of the others."""

    @property
    def where(self) -> str:
        """The module's whole name; one with a dot in it is whole already."""
        return self.module if "." in self.module else f"{__name__}.{self.module}"


BLOCKING: Final[tuple[Kind, ...]] = ("blocking",)
ASYNCHRONOUS: Final[tuple[Kind, ...]] = ("asynchronous",)

CONTENDERS: Final = {
    contender.name: contender
    for contender in (
        Contender("floor", "floor", "sockets by hand"),
        Contender("ours", "ours", "**resilient-client**"),
        Contender(
            "ours-uvloop",
            "ours",
            "**resilient-client**, uvloop",
            ("uvloop",),
            kinds=ASYNCHRONOUS,
            loop="uvloop",
        ),
        Contender("ours-httpx2", "ours", "**resilient-client**, wire httpx2", ("httpx2",), options={"wire": "httpx2"}),
        Contender(
            "ours-aiohttp",
            "ours",
            "**resilient-client**, wire aiohttp",
            ("aiohttp",),
            options={"wire": "aiohttp"},
            kinds=ASYNCHRONOUS,
        ),
        Contender(
            "ours-pyreqwest",
            "ours",
            "**resilient-client**, wire pyreqwest",
            ("pyreqwest",),
            options={"wire": "pyreqwest"},
        ),
        Contender("httpx", "bare_httpx", "httpx", ("httpx", "httpcore")),
        Contender("httpx-retries", "with_httpx_retries", "httpx + httpx-retries", ("httpx-retries",)),
        Contender("composed", "composed", "httpx + tenacity + pybreaker + semaphore", ("tenacity", "pybreaker")),
        Contender("httpx2", "bare_httpx2", "httpx2", ("httpx2",)),
        Contender("aiohttp", "bare_aiohttp", "aiohttp", ("aiohttp",), kinds=ASYNCHRONOUS),
        Contender(
            "aiohttp-retry", "with_aiohttp_retry", "aiohttp + aiohttp-retry", ("aiohttp-retry",), kinds=ASYNCHRONOUS
        ),
        Contender("requests", "with_requests", "requests + urllib3 Retry", ("requests",), kinds=BLOCKING),
        Contender("urllib3", "bare_urllib3", "urllib3", ("urllib3",), kinds=BLOCKING),
        Contender("niquests", "bare_niquests", "niquests", environment="niquests"),
        Contender("pyreqwest", "bare_pyreqwest", "pyreqwest", ("pyreqwest",)),
    )
}
