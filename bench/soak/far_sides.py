"""The processes of the far sides: started, killed, started again on the same ports, and ended."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from pathlib import Path

import trustme

from bench.soak.journal import Journal

ROOT = Path(__file__).parent.parent.parent


def reserved() -> socket.socket:
    """Return a socket that keeps a port for those who say that they share it, and does not listen itself.

    While its server is away, connections are refused, nobody else can take the port, and no client is given it for its
    own end of a connection, with which it would dial itself.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


class FarSides:
    """`quick` and `secure` are the addresses of the quick server, `exotic` and `http2` those of the paired one."""

    def __init__(self, folder: Path, calls: int, seed: int, trouble: float) -> None:
        self._draw = random.Random(seed)
        self._trouble = trouble
        self._path = folder / "journal"
        self.journal = Journal(self._path, size=calls)
        authority = trustme.CA()
        self._certificate, self.authority = folder / "server.pem", folder / "authority.pem"
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(self._certificate)
        authority.cert_pem.write_to_path(self.authority)
        self._reserved = [reserved(), reserved()]
        ports = self._ports = [sock.getsockname()[1] for sock in self._reserved]
        self.quick, self.secure = f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}"
        self._quick_process = self._start_quick()
        self._exotic_process = _start("exotic_side", self._path, str(seed))
        self.exotic, self.http2, self.exotic_authority = _line_of(self._exotic_process).split()
        self.restarts = 0

    def _start_quick(self) -> subprocess.Popen[str]:
        seed = str(self._draw.randrange(2**32))
        process = _start("quick_side", *self._ports, self._path, seed, str(self._trouble), self._certificate)
        assert _line_of(process) == "ready"
        return process

    def restart(self) -> None:
        """Kill the quick server in the middle of whatever it does, and start another in its place."""
        _end(self._quick_process)
        self._quick_process = self._start_quick()
        self.restarts += 1

    def behave(self) -> None:
        """Have no trouble any more."""
        self._trouble = 0.0
        self.restart()

    def close(self) -> None:
        for process in (self._quick_process, self._exotic_process):
            _end(process)
        for sock in self._reserved:
            sock.close()
        self.journal.close()


def _start(module: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"bench.soak.{module}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def _line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"a far side did not come up: {process.args}")
    return line


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
