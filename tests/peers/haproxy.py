"""haproxy as a child: one configuration for all tests, in a folder of its own."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.certificates import CERTIFICATES
from peers.ports import reserved
from peers.process import Process
from programs import program

CONFIG = """\
global
    nbthread 2
    maxconn 1000
    stats socket {folder}/admin.sock level admin
    hard-stop-after 20s
    tune.ssl.default-dh-param 2048

defaults
    mode http
    option http-keep-alive
    timeout client 20s
    timeout server 20s
    timeout http-request 20s
    timeout connect 100ms
    timeout queue 200ms
    retries 1

frontend plain
    bind 127.0.0.1:{plain}
    bind 127.0.0.1:{tls} ssl crt {folder}/server.pem alpn h2,http/1.1
    http-request return status 200 content-type text/plain string hello if {{ path /hello }}
    http-request return status 500 if {{ path /broken }}
    http-request return status 503 content-type text/plain string later hdr Retry-After 1 if {{ path /later }}
    http-request deny deny_status 403 if {{ path /denied }}
    http-request deny deny_status 413 if {{ path /small }} {{ req.hdr(content-length),sub(1000000) gt 0 }}
    http-request silent-drop if {{ path /dropped }}
    http-request reject if {{ path /rejected }}
    use_backend one_at_a_time if {{ path /queued }}
    use_backend nobody if {{ path /nobody }}
    use_backend some_down if {{ path /some }}
    default_backend origin

frontend crowded
    bind 127.0.0.1:{crowded}
    maxconn 4
    default_backend origin

backend origin
    server origin 127.0.0.1:{origin}

backend one_at_a_time
    server origin 127.0.0.1:{origin} maxconn 1

backend nobody
    server nobody 127.0.0.1:{nobody}

backend some_down
    option redispatch 1
    server nobody 127.0.0.1:{nobody}
    server origin 127.0.0.1:{origin}
"""

NAMES = ("plain", "tls", "crowded", "nobody")


@dataclass
class Haproxy:
    """A running haproxy and where it is reached; a reload puts another process in its place."""

    process: Process
    folder: Path
    ports: dict[str, int]

    @property
    def plain(self) -> str:
        return f"http://127.0.0.1:{self.ports['plain']}"

    @property
    def tls(self) -> str:
        return f"https://localhost:{self.ports['tls']}"

    @property
    def crowded(self) -> str:
        return f"http://127.0.0.1:{self.ports['crowded']}"

    def reload(self) -> Process:
        """Start a successor that takes over (`-sf`); returns the one that finishes what it has begun."""
        before, self.process = self.process, _start(self.folder, "-sf", str(self.process.pid))
        return before


def _start(folder: Path, *options: str) -> Process:
    command = [program("haproxy", "apt-get install haproxy"), "-db", "-f", "haproxy.cfg", *options]
    process = Process(command, folder)
    process.wait_ready(lambda: f"Pid: {process.pid}\n" in _said(folder / "admin.sock"), "haproxy")
    return process


def _said(admin: Path) -> str:
    """What the process behind the admin socket says of itself; nothing when there is none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
        asking.connect(str(admin))
        asking.sendall(b"show info\n")
        return asking.makefile().read()
    return ""


@contextlib.contextmanager
def running(folder: Path, origin: int) -> Iterator[Haproxy]:
    """One haproxy, until the block ends; a test that reloads it ends the others."""
    with reserved(len(NAMES)) as numbers:
        ports = dict(zip(NAMES, numbers, strict=True))
        CERTIFICATES.write(folder)
        (folder / "haproxy.cfg").write_text(CONFIG.format(folder=folder, origin=origin, **ports))
        haproxy = Haproxy(_start(folder), folder, ports)
        try:
            yield haproxy
        finally:
            haproxy.process.kill()
