"""nginx as a child: one configuration for all tests, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peers.certificates import CERTIFICATES
from peers.ports import reserved
from peers.process import Process, eventually
from programs import program

CONFIG = """\
{user}
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    limit_req_zone $http_x_caller zone=callers:64k rate=5r/s;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
    default_type text/plain;

    server {{
        listen 127.0.0.1:{plain}{shared};
        listen unix:{folder}/nginx.sock;
        location /hello {{ return 200 hello; }}
        location /connection {{ return 200 $connection; }}
        location /444 {{ return 444; }}
        location /files/ {{
            alias {folder}/files/;
            location ~ [.]txt$ {{ gzip on; gzip_types *; gzip_min_length 1; }}
        }}
        location /small {{
            client_max_body_size 1m;
            proxy_pass http://127.0.0.1:{origin};
        }}
        location /rationed {{
            limit_req zone=callers;
            limit_req_status 429;
            error_page 429 @later;
            try_files /none @hello;
        }}
        location @later {{ add_header Retry-After 1 always; return 429; }}
        location @hello {{ return 200 hello; }}
        location /nobody {{ proxy_pass http://127.0.0.1:{nobody}; }}
        location /late {{
            proxy_read_timeout 200ms;
            proxy_pass http://127.0.0.1:{origin};
        }}
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
    server {{
        listen 127.0.0.1:{brief}{shared};
        keepalive_timeout 1s;
        keepalive_requests 5;
        location /connection {{ return 200 $connection; }}
        location / {{
            keepalive_timeout 60s;
            proxy_pass http://127.0.0.1:{origin};
        }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl http2{shared};
        location /protocol {{ return 200 $server_protocol; }}
        location /connection {{ return 200 $connection; }}
        location /small {{
            client_max_body_size 1m;
            proxy_pass http://127.0.0.1:{origin};
        }}
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
    server {{
        listen 127.0.0.1:{mutual} ssl{shared};
        ssl_client_certificate {folder}/authority.pem;
        ssl_verify_client on;
        location / {{ return 200 $ssl_client_s_dn; }}
    }}
}}
"""


@dataclass
class Nginx:
    """A running nginx and where it is reached."""

    process: Process
    folder: Path
    ports: dict[str, int]

    @property
    def plain(self) -> str:
        return f"http://127.0.0.1:{self.ports['plain']}"

    @property
    def brief(self) -> str:
        return f"http://127.0.0.1:{self.ports['brief']}"

    @property
    def tls(self) -> str:
        return f"https://localhost:{self.ports['tls']}"

    @property
    def mutual(self) -> str:
        return f"https://localhost:{self.ports['mutual']}"

    def reload(self) -> None:
        """Do what `nginx -s reload` does, and wait until other workers have taken over."""
        before = self._workers()
        self.process.send(signal.SIGHUP)
        eventually(lambda: len(self._workers() - before) == WORKERS, "new workers")

    def kill_a_worker(self) -> None:
        """Kill one without a word, and wait for its successor."""
        eventually(lambda: len(self._workers()) == WORKERS, "the workers of an earlier configuration to end")
        before = self._workers()
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: len(self._workers()) == WORKERS and self._workers() != before, "a new worker")

    def _workers(self) -> set[int]:
        return set(self.process.children())

    def quit(self) -> None:
        """Do what `nginx -s quit` does: finish what was begun, and end."""
        self.process.send(signal.SIGQUIT)
        self.process.wait_ended()


def _write_files(folder: Path) -> None:
    for name in ("temp", "files"):
        (folder / name).mkdir(parents=True)
    CERTIFICATES.write(folder)


NAMES = ("plain", "brief", "tls", "mutual", "nobody")
WORKERS = 2


@contextlib.contextmanager
def running(folder: Path, origin: int) -> Iterator[Nginx]:
    """One nginx, until the block ends."""
    with several([folder], origin) as (nginx,):
        yield nginx


@contextlib.contextmanager
def several(folders: list[Path], origin: int) -> Iterator[list[Nginx]]:
    """One in each folder, all on the same ports, each connection being for one of them."""
    with reserved(len(NAMES)) as numbers, contextlib.ExitStack() as ended:
        ports = dict(zip(NAMES, numbers, strict=True))
        shared = " reuseport" if len(folders) > 1 else ""
        servers = [_start(folder, ports | {"origin": origin}, shared) for folder in folders]
        for server in servers:
            ended.callback(server.process.kill)
        for server in servers:
            server.process.wait_ready(lambda server=server: len(server.process.children()) == WORKERS, "nginx")
        yield servers


def _start(folder: Path, ports: dict[str, int], shared: str) -> Nginx:
    _write_files(folder)
    user = "user root;" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, user=user, shared=shared, workers=WORKERS, **ports))
    command = [program("nginx", "apt-get install nginx-light"), "-p", str(folder), "-c", str(config), "-e", "stderr"]
    return Nginx(Process(command, folder), folder, ports)
