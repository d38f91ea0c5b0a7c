"""Processes that are killed while they download, and what the next one makes of what they left.

`python tests/transfers/killing.py 100` kills a hundred of them, each at a moment of its own, and says what was found.
The file on the server changes now and then, so that a file made of two would be found out.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from resilient_client.testing import FaultServer, steps
from resilient_client.transfers.part import part_of

CHILDREN = """
import os, sys
from resilient_client import Client, Policy, Retry, Timeouts
from resilient_client.transfers import file_sink

file_sink.BUFFER = 50_000

def download(url, path):
    policy = Policy(timeouts=Timeouts(total=60), retry=Retry(max_attempts=5, wait_initial=0.001, wait_max=0.01))
    with Client("killed", base_url=url, policy=policy) as client:
        result = client.download("/f", path)
    return f"{result.status} {result.value.resumed}" if result else result.explain().replace(chr(10), "; ")

for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, download(*line.split()).encode())
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until then it has this number, even when it is done
    _, ended = os.waitpid(child, 0)
    os.close(writing)
    with open(reading) as told:
        print("killed" if os.WIFSIGNALED(ended) else told.read(), flush=True)
"""

PATIENCE = 5.0


class Children:
    """Starts processes that download, one at a time, and kills them when the server has sent so much."""

    def __init__(self, server: FaultServer) -> None:
        self._server = server
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILDREN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def download(self, path: Path, *, killed_after: int | None = None, then: float = 0.0) -> str:
        """Return how it ended. It is killed when `killed_after` bytes were sent, and `then` seconds have passed."""
        enough = None if killed_after is None else self._server.journal.bytes_out + killed_after
        self._process.stdin.write(f"{self._server.url} {path}\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        if enough is not None:
            given_up = time.monotonic() + PATIENCE
            while self._server.journal.bytes_out < enough and time.monotonic() < given_up:
                time.sleep(0.0005)
            time.sleep(then)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def killed(rounds: int, *, seed: int = 1, size: int = 1_000_000) -> Counter[str]:
    """Return how often which thing was found; `right` is what the file of a round has to be."""
    chosen, found = random.Random(seed), Counter()
    versions = [random.Random(number).randbytes(size + number) for number in range(3)]
    current = [0]

    def serve(request):
        return steps.file(versions[current[0]], piece=20_000, every=0.001)(request)

    with tempfile.TemporaryDirectory() as place, FaultServer(strict=False) as server, Children(server) as children:
        server.on("/f", serve)
        for number in range(rounds):
            path = Path(place, f"{number}.bin")
            for _ in range(chosen.choice((1, 1, 2, 3))):
                missing = size - (part_of(path).stat().st_size if part_of(path).exists() else 0)
                ended = children.download(
                    path, killed_after=int(missing * min(1.0, chosen.random() * 1.1)), then=chosen.random() * 0.004
                )
                found["killed" if ended == "killed" else "was done"] += 1
                if chosen.random() < 0.2:
                    current[0] = (current[0] + 1) % 3
            told = children.download(path)
            status, _, resumed = told.partition(" ")
            if status not in {"200", "206", "416"}:
                found[told] += 1
                continue
            found["went on" if int(resumed) else "started over"] += 1
            found["right" if path.read_bytes() == versions[current[0]] else "WRONG"] += 1
            found["left behind"] += len(list(Path(place).glob(f"{number}.bin.*")))
    return found


if __name__ == "__main__":
    started = time.monotonic()
    sys.stdout.write(f"{dict(killed(int(sys.argv[1])))} in {time.monotonic() - started:.0f} s\n")
