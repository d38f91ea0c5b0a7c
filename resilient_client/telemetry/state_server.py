"""A server on loopback that tells the state of this process to whoever is on this machine, and nothing else."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any, Final

from resilient_client.errors import ConfigError
from resilient_client.events import log
from resilient_client.forking import on_fork
from resilient_client.telemetry.published import Published
from resilient_client.until_stopped import UntilStopped

PATH: Final = "/state"

PATIENCE: Final = 5.0
"""Seconds that a connection may be silent."""

POLL: Final = 0.1
"""Seconds between two looks at whether it is to stop."""

LOOPBACK: Final = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
"""A Host header that names this machine. A web page whose name was made to lead here sends its own."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Connection": "close",
}


class StateServer(UntilStopped):
    """Serves the state of this process at `url` until `stop`, or for as long as a `with` lasts."""

    def __init__(self, port: int, host: str) -> None:
        """Listen and begin to record; raises `ConfigError`, or `OSError` when the port cannot be had."""
        _check(port, host)
        self._server = _Server(host, port, self._document)
        self._published = Published()
        self._stopped = False
        shown = f"[{host}]" if ":" in host else host
        self.url: str = f"http://{shown}:{self._server.server_address[1]}{PATH}"
        self._thread = threading.Thread(target=self._run, name=f"state at {self.url}", daemon=True)
        self._thread.start()
        on_fork(self)

    def _document(self) -> bytes:
        return self._published.document()

    def _run(self) -> None:
        self._server.serve_forever(POLL)

    def stop(self) -> None:
        """Close the port and record nothing more; harmless when that was done."""
        if not self._stopped:
            self._stopped = True
            self._published.stop()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def after_fork(self) -> None:
        """Let go of the port in a forked child, whose parent goes on serving its own state."""
        self._stopped = True
        self._server.socket.close()


def _check(port: Any, host: Any) -> None:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ConfigError(f"port={port!r}: give a whole number from 0 to 65535; 0 takes a free one")
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(f"host={host!r}: the state is for this machine alone; give 127.0.0.1 or ::1")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, document: Callable[[], bytes]) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), partial(_Handler, document))

    def server_bind(self) -> None:
        """Bind without asking the name service for a name that nobody needs."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature is given
        """Leave stderr alone: most of all, it is a peer that left."""
        log.debug("a request for the state ended in an error", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    error_content_type = "text/plain;charset=utf-8"
    error_message_format = "%(message)s\n"

    def __init__(self, document: Callable[[], bytes], *connection: Any) -> None:
        self._document = document
        super().__init__(*connection)  # this answers

    def parse_request(self) -> bool:
        """Return whether there is a request to answer; any method but GET is refused."""
        if not super().parse_request():
            return False
        if self.command != "GET":
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET\n", allow="GET")
        return self.command == "GET"

    def do_GET(self) -> None:
        """Answer with the state, if this machine was asked and that was the question."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0].strip()):
            self._answer(HTTPStatus.FORBIDDEN, b"the Host header must name loopback\n")
        elif self.path != PATH:
            self._answer(HTTPStatus.NOT_FOUND, f"there is only {PATH}\n".encode("ascii"))
        else:
            self._answer(HTTPStatus.OK, self._document(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str = "text/plain", *, allow: str | None = None) -> None:
        self.send_response(status)
        fields = {"Content-Type": kind, "Content-Length": str(len(body)), **HEADERS}
        for name, value in {**fields, "Allow": allow}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Name neither versions nor libraries."""
        return "resilient-client"

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: stderr is the application's."""
