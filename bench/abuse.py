"""The counts the contract promises: thousands of calls cut off, races for stale connections, a full outage.

`python -m bench.abuse` runs them all and says what was found; it takes about two minutes and is not part of the tests.
`python -m bench.abuse streamed 1024` runs one of them, here with a gibibyte.
"""

from __future__ import annotations

import asyncio
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.bombs import bombed
from resilient_client import AsyncClient, Breaker, Bulkhead, Client, FailureKind, Policy, Retry, Timeouts
from resilient_client.testing import FaultServer
from resilient_client.testing.script import Data, End, Head, Move, Received
from resilient_client.testing.steps import chance, endless_body, ok, retry_after, status

EIGHT = Bulkhead(max_concurrent=8, max_waiting=20_000)
PATIENT = Policy(retry=None, breaker=None, bulkhead=EIGHT)


async def _cut_off(url: str, count: int, policy: Policy, *, cancel: bool) -> str:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    chosen = random.Random(7)
    ended: dict[str, int] = {}
    async with AsyncClient("abuse", base_url=url, policy=PATIENT) as client:
        for _ in range(count // 50):
            tasks = [asyncio.create_task(client.get("/", policy=policy)) for _ in range(50)]
            if cancel:
                for task in tasks:
                    asyncio.get_running_loop().call_later(chosen.random() * 0.03, task.cancel)
            for one in await asyncio.gather(*tasks, return_exceptions=True):
                name = type(one).__name__ if isinstance(one, BaseException) else str(getattr(one, "kind", "ok"))
                ended[name] = ended.get(name, 0) + 1
        state = client.state()
        after = await asyncio.gather(*(client.get("/") for _ in range(8)))
        await asyncio.sleep(0.05)
        left = len(asyncio.all_tasks()) - 1
    return (
        f"{ended}; then in use {state.permits_in_use}, queued {state.queued}, "
        f"8 at once: {sum(result.ok for result in after)} ok, tasks left {left}, complaints {complaints}"
    )


def cancelled(count: int = 10_000) -> str:
    """Cancel calls at random moments against a pool of eight."""
    with FaultServer(strict=False) as server:
        server.on("/", chance(0.5, ok(after=0.004), ok(), seed=1))
        policy = Policy(retry=None, breaker=None, bulkhead=EIGHT)
        return asyncio.run(_cut_off(server.url, count, policy, cancel=True))


def deadlined(count: int = 10_000) -> str:
    """The same with deadlines of 20 ms."""
    with FaultServer(strict=False) as server:
        server.on("/", chance(0.5, ok(after=0.018), ok(), seed=1))
        policy = Policy(timeouts=Timeouts(total=0.02), retry=None, breaker=None, bulkhead=EIGHT)
        return asyncio.run(_cut_off(server.url, count, policy, cancel=False))


def deadlined_threads(count: int = 10_000) -> str:
    """The same with threads."""
    ended: dict[str, int] = {}
    lock = threading.Lock()
    with FaultServer(strict=False) as server:
        server.on("/", chance(0.5, ok(after=0.018), ok(), seed=1))
        policy = Policy(timeouts=Timeouts(total=0.02), retry=None, breaker=None, bulkhead=EIGHT)
        with Client("abuse", base_url=server.url, policy=PATIENT) as client, ThreadPoolExecutor(32) as pool:

            def one(_: int) -> None:
                name = str(getattr(client.get("/", policy=policy), "kind", "ok"))
                with lock:
                    ended[name] = ended.get(name, 0) + 1

            list(pool.map(one, range(count)))
            state = client.state()
            after = list(pool.map(lambda _: client.get("/").ok, range(8)))
    return f"{ended}; then in use {state.permits_in_use}, queued {state.queued}, 8 at once: {sum(after)} ok"


class Leaving:
    """Answers once, then hangs up at the moment the next request may be on its way; counts the POSTs it reads."""

    def __init__(self) -> None:
        self.posts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection: socket.socket) -> None:
        with connection:
            self.posts += connection.recv(65536).startswith(b"POST")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            leaves = time.perf_counter() + random.random() * 0.0006
            while time.perf_counter() < leaves:
                time.sleep(0)


def stale_posts(count: int = 1_000) -> str:
    """POST without key on a connection that the server is about to close: never read twice."""
    server = Leaving()
    twice = answered = stale = 0
    with Client(
        "abuse", base_url=f"http://127.0.0.1:{server.listener.getsockname()[1]}", policy=Policy(breaker=None)
    ) as client:
        for _ in range(count):
            client.get("/")
            before = server.posts
            result = client.post("/", json={})
            time.sleep(0.0005)
            twice += server.posts - before > 1
            answered += result.ok
            stale += not result.ok
    server.listener.close()
    return f"{count} races: answered {answered}, lost and not resent {stale}, read twice {twice}"


def outage() -> str:
    """A thousand calls against a server that only fails, breaker off and on."""
    with FaultServer() as server:
        server.on("/", status(500))
        retry = Retry(wait_initial=0.001, wait_max=0.002)
        with Client("abuse", base_url=server.url, policy=Policy(retry=retry, breaker=None)) as client:
            for _ in range(1000):
                client.get("/")
        load = server.journal.count() / 1000
        server.journal.clear()
        with Client("abuse", base_url=server.url, policy=Policy(retry=retry, breaker=Breaker())) as client:
            while client.breaker().state == "closed":
                client.get("/")
            opened_after = server.journal.count()
            rejected = []
            for _ in range(2000):
                started = time.perf_counter()
                assert getattr(client.get("/"), "kind", None) is FailureKind.CIRCUIT_OPEN
                rejected.append(time.perf_counter() - started)
    rejected.sort()
    return (
        f"load {load:.3f}x with the breaker off; open after {opened_after} failures; "
        f"a rejected call takes {rejected[1000] * 1e6:.1f} us (median), {rejected[1980] * 1e6:.1f} us (p99)"
    )


def told_to_wait() -> str:
    """Retry-After: 60 under total=5."""
    with FaultServer() as server:
        server.on("/", retry_after(503, 60))
        with Client("abuse", base_url=server.url, policy=Policy(timeouts=Timeouts(total=5))) as client:
            client.get("/text")
            result = client.get("/")
    return f"{result.elapsed * 1000:.1f} ms, stopped={getattr(result, 'stopped', None)}"


RESIDENT = """
import resource, sys, time
from pathlib import Path
from resilient_client import AsyncClient, Client, Policy, Timeouts

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
"""

READER = (
    RESIDENT
    + """
url, wanted = sys.argv[1], int(sys.argv[2]) << 20
policy = Policy(timeouts=Timeouts(total=None), max_body=2 * wanted)
with Client("abuse", base_url=url, policy=policy) as client:
    client.get("/text")
    idle = most = resident()
    read, started = 0, time.perf_counter()
    with client.stream("GET", "/endless") as result:
        for number, piece in enumerate(result.iter_bytes()):
            read += len(piece)
            if number % 64 == 0:
                most = max(most, resident())
            if read >= wanted:
                break
    took = time.perf_counter() - started
print(f"{read / 2**20:.0f} MiB read in {took:.1f} s, {(most - idle) / 2**20:.1f} MiB over {idle / 2**20:.1f} MiB idle")
"""
)

DOWNLOADER = (
    RESIDENT
    + """
import asyncio

url, path, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3]) << 20
policy = Policy(timeouts=Timeouts(total=None), max_body=wanted)
seen = []

def watch(done, total):
    seen.append(resident())

def tell(kind, result, started, idle):
    took, used = time.perf_counter() - started, (max(seen) - idle) / 2**20
    size = result.unwrap().value.size
    print(f"{kind}: {size / 2**20:.0f} MiB in {took:.1f} s, {used:.1f} MiB over {idle / 2**20:.1f} MiB idle", end="; ")
    Path(path).unlink()

with Client("abuse", base_url=url, policy=policy) as client:
    client.get("/text")
    idle, started = resident(), time.perf_counter()
    tell("threads", client.download("/file", path, progress=watch), started, idle)

async def tasks():
    async with AsyncClient("abuse", base_url=url, policy=policy) as client:
        await client.get("/text")
        idle, started = resident(), time.perf_counter()
        seen.clear()
        tell("tasks", await client.download("/file", path, progress=watch), started, idle)

asyncio.run(tasks())
"""
)


def streamed(mebibytes: int = 256) -> str:
    """A body far larger than memory should have to be, read in a process of its own (Linux)."""
    with FaultServer(strict=False) as server:
        server.on("/endless", endless_body())
        reader = [sys.executable, "-c", READER, server.url, str(mebibytes)]
        return subprocess.run(reader, check=True, capture_output=True, text=True).stdout.strip()


def downloaded(mebibytes: int = 256) -> str:
    """The same into a file, by both clients (Linux)."""
    piece = b"x" * 65536

    def serve(_: Received) -> Iterator[Move]:
        yield Head(200, (("Content-Length", str(mebibytes << 20)), ("ETag", '"v1"')))
        for _number in range(mebibytes * 16):
            yield Data(piece)
        yield End()

    with FaultServer(strict=False) as server, tempfile.TemporaryDirectory() as place:
        server.on("/file", serve)
        downloader = [sys.executable, "-c", DOWNLOADER, server.url, f"{place}/file", str(mebibytes)]
        return subprocess.run(downloader, check=True, capture_output=True, text=True).stdout.strip(" ;")


def killed_downloads(rounds: int = 100) -> str:
    """Processes killed while they download: what the next one puts together is right."""
    killing = Path(__file__).parent.parent / "tests" / "transfers" / "killing.py"
    killer = [sys.executable, str(killing), str(rounds)]
    return subprocess.run(killer, check=True, capture_output=True, text=True).stdout.strip()


RUNS = (
    *(cancelled, deadlined, deadlined_threads, stale_posts, outage, told_to_wait, streamed, bombed),
    *(downloaded, killed_downloads),
)


def main(name: str = "", *numbers: str) -> None:
    if name:
        print({run.__name__: run for run in RUNS}[name](*map(int, numbers)))
        return
    for run in RUNS:
        started = time.perf_counter()
        print(f"{run.__name__}: {run()}  [{time.perf_counter() - started:.1f} s]", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
