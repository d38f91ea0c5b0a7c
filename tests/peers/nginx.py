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
worker_processes 2;
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
        listen 127.0.0.1:{brief};
        keepalive_timeout 1s;
        keepalive_requests 5;
        location /connection {{ return 200 $connection; }}
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
    server {{
        listen 127.0.0.1:{tls} ssl http2;
        location /protocol {{ return 200 $server_protocol; }}
        location /connection {{ return 200 $connection; }}
        location /small {{
            client_max_body_size 1m;
            proxy_pass http://127.0.0.1:{origin};
        }}
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
    server {{
        listen 127.0.0.1:{mutual} ssl;
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
        before = set(self.process.children())
        self.process.send(signal.SIGHUP)
        eventually(lambda: set(self.process.children()) - before, "new workers")

    def kill_a_worker(self) -> None:
        """Kill one without a word, and wait for its successor."""
        before = self.process.children()
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: len(set(self.process.children()) - {before[0]}) == len(before), "a new worker")

    def quit(self) -> None:
        """Do what `nginx -s quit` does: finish what was begun, and end."""
        self.process.send(signal.SIGQUIT)
        self.process.wait_ended()


def _write_files(folder: Path) -> None:
    for name in ("temp", "files"):
        (folder / name).mkdir(parents=True)
    CERTIFICATES.write(folder)


def start(folder: Path, origin: int, ports: dict[str, int], *, shared: bool = False) -> Nginx:
    """Start one on these ports; `shared`: beside another one that takes part of the connections."""
    _write_files(folder)
    user = "user root;" if os.getuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        CONFIG.format(folder=folder, user=user, origin=origin, shared=" reuseport" if shared else "", **ports)
    )
    command = [program("nginx", "apt-get install nginx-light"), "-p", str(folder), "-c", str(config), "-e", "stderr"]
    process = Process(command, folder)
    return Nginx(process, folder, ports)


NAMES = ("plain", "brief", "tls", "mutual", "nobody")


@contextlib.contextmanager
def running(folder: Path, origin: int) -> Iterator[Nginx]:
    """One nginx, until the block ends."""
    with reserved(len(NAMES)) as ports, contextlib.ExitStack() as ended:
        nginx = start(folder, origin, dict(zip(NAMES, ports, strict=True)))
        ended.callback(nginx.process.kill)
        nginx.process.wait_listening(ports[:-1], "nginx")
        yield nginx
