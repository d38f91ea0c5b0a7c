"""The far side: a server in a process of its own, on a core of its own where there are two.

nginx when it is installed; else as little as asyncio (or uvloop, when that is there) can do. Either way it costs less
per request than any client here, so that it is never what limits one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.cases import CASES, LARGE, SMALL, Case
from bench.processes import free_ports, running

NGINX: Final = """\
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 16000; multi_accept on; }}
http {{
    access_log off; default_type text/plain; server_tokens off; sendfile on; tcp_nopush on;
    keepalive_requests 1000000000; keepalive_timeout 300; open_file_cache max=16;
    client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
    server {{ listen 127.0.0.1:{small} backlog=4096; location / {{ return 200 "{body}"; }} }}
    server {{ listen 127.0.0.1:{large} backlog=4096; root .; index large; }}
    server {{ listen 127.0.0.1:{tls} ssl backlog=4096; ssl_certificate server.pem; ssl_certificate_key server.pem;
              location / {{ return 200 "{body}"; }} }}
}}
"""


@dataclass(frozen=True)
class Server:
    """Where it listens, and what it is."""

    what: str
    small: int
    large: int
    tls: int
    roots: str

    def url(self, case: Case) -> str:
        if case.tls:
            return f"https://localhost:{self.tls}"
        return f"http://127.0.0.1:{self.large if case.size == LARGE else self.small}"

    @property
    def urls(self) -> dict[str, str]:
        return {name: self.url(case) for name, case in CASES.items()}


@contextmanager
def server() -> Iterator[Server]:
    """Run the server until the block is left."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_certificates(place)
        ports = free_ports(3)
        if nginx:
            write_nginx(place, ports)
            command = [nginx, "-p", folder, "-c", str(place / "nginx.conf")]
        else:
            command = [sys.executable, "-m", "bench.far_side", *map(str, ports), str(place / "server.pem")]
        with running(command, ports):
            what = "nginx" if nginx else "asyncio"
            yield Server(what, *ports, str(place / "roots.pem"))


def write_certificates(place: Path) -> None:
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(place / "roots.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(place / "server.pem")


def write_nginx(place: Path, ports: list[int]) -> None:
    small, large, tls = ports
    (place / "large").write_bytes(b"x" * LARGE)
    (place / "nginx.conf").write_text(NGINX.format(small=small, large=large, tls=tls, body="x" * SMALL))
    place.chmod(0o755)
