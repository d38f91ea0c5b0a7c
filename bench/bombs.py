"""What a bomb costs: a body that decodes to far more than the cap, read in a process of its own (Linux).

`python -m bench.bombs` throws 2 GiB at both clients, as calls and as streams, in every coding that they ask for.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.soak.callers import FromTasks, FromThreads
from resilient_client import AsyncClient, CallFailed, Client, Failure, Policy, Timeouts
from resilient_client.backends import run_sync
from resilient_client.testing import FaultServer
from resilient_client.testing.script import Data, End, Head
from resilient_client.wire.decoders import accepted

ROOT = Path(__file__).parent.parent
MIB = 1024 * 1024
BLOCK = bytes(MIB)


def _zlib(mebibytes: int, window: int) -> list[bytes]:
    coder = zlib.compressobj(1, wbits=window)
    return [piece for _ in range(mebibytes) if (piece := coder.compress(BLOCK))] + [coder.flush()]


def _brotli(mebibytes: int) -> list[bytes]:
    import brotli

    coder = brotli.Compressor(quality=1)
    return [piece for _ in range(mebibytes) if (piece := coder.process(BLOCK))] + [coder.finish()]


def _zstd(mebibytes: int) -> list[bytes]:
    from backports import zstd

    coder = zstd.ZstdCompressor(level=1)
    return [piece for _ in range(mebibytes) if (piece := coder.compress(BLOCK))] + [coder.flush()]


BOMBS = {
    "gzip": lambda mebibytes: _zlib(mebibytes, zlib.MAX_WBITS | 16),
    "deflate": lambda mebibytes: _zlib(mebibytes, zlib.MAX_WBITS),
    "br": _brotli,
    "zstd": _zstd,
}
CODINGS = tuple(name for name in accepted().decode().replace(" ", "").split(",") if name in BOMBS)
"""What the clients say that they decode."""

WAYS = ("called", "streamed", "awaited", "streamed_async")


@contextmanager
def bombing(mebibytes: int) -> Iterator[FaultServer]:
    """A server that answers `/gzip` with a gzip bomb, and so on; each is made once."""
    with FaultServer(strict=False) as server:
        for coding in CODINGS:
            pieces = BOMBS[coding](mebibytes)
            fields = (("Content-Encoding", coding), ("Transfer-Encoding", "chunked"))
            server.on(
                f"/{coding}", lambda _, pieces=pieces, fields=fields: [Head(200, fields), *map(Data, pieces), End()]
            )
        yield server


def cost(server: FaultServer, coding: str, way: str, cap: int) -> int:
    """Return the most bytes over idle that one way of reading a bomb took."""
    child = [sys.executable, "-m", "bench.bombs", way, server.url, f"/{coding}", str(cap)]
    done = subprocess.run(child, check=True, capture_output=True, text=True, timeout=110, cwd=ROOT)
    return int(done.stdout)


# In the process that reads.


def _status(name: str) -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024


class Peak:
    """How much memory this process had at most since it was idle."""

    def __init__(self) -> None:
        with suppress(OSError):  # where it may not be reset, the peak of the start counts too, and is lower
            Path("/proc/self/clear_refs").write_text("5")
        self._idle = _status("VmRSS")

    @property
    def bytes(self) -> int:
        return _status("VmHWM") - self._idle


async def _most(caller: Any, path: str, *, streamed: bool) -> int:
    await caller.request("GET", "/text")
    peak = Peak()
    if not streamed:
        failure = await caller.request("GET", path)
    else:
        async with caller.stream("GET", path) as result:
            failure = await _end_of(caller, result)
    assert failure.kind == "too_large"
    return peak.bytes


async def _end_of(caller: Any, result: Any) -> Failure:
    try:
        async for _ in caller.pieces(result.iter_bytes()):
            pass
    except CallFailed as problem:
        return problem.failure
    raise AssertionError("the bomb was read whole")


async def _by_tasks(path: str, *, streamed: bool, **options: Any) -> int:
    async with AsyncClient("bombed", **options) as client:
        return await _most(FromTasks(client), path, streamed=streamed)


def read(way: str, url: str, path: str, cap: str) -> int:
    policy = Policy(timeouts=Timeouts(attempt=None, total=None), retry=None, max_body=int(cap))
    streamed = way.startswith("streamed")
    if way in {"awaited", "streamed_async"}:
        return asyncio.run(_by_tasks(path, streamed=streamed, base_url=url, policy=policy))
    with Client("bombed", base_url=url, policy=policy) as client:
        return run_sync(_most(FromThreads(client), path, streamed=streamed))


def bombed(mebibytes: int = 2048, cap: int = 64 * MIB) -> str:
    """Say for each coding and way what it cost over idle."""
    with bombing(mebibytes) as server:
        costs = {f"{coding} {way}": cost(server, coding, way, cap) for coding in CODINGS for way in WAYS}
    told = ", ".join(f"{name} {taken / MIB:.1f}" for name, taken in costs.items())
    verdict = "all within" if max(costs.values()) <= cap + MIB else "NOT within"
    return f"{mebibytes} MiB under a cap of {cap // MIB} MiB, in MiB over idle: {told}; {verdict} cap + 1 MiB"


if __name__ == "__main__":
    print(read(*sys.argv[1:]) if len(sys.argv) > 1 else bombed())
