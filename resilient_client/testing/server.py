"""The paired server: a real HTTP server on loopback that answers as its script says, well or badly. For tests only."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from resilient_client.testing.certificates import CERTIFICATES, KINDS
from resilient_client.testing.channel import Channel
from resilient_client.testing.defaults import add_defaults
from resilient_client.testing.exchange import Desk
from resilient_client.testing.http1_side import Http1Side
from resilient_client.testing.journal import Journal
from resilient_client.testing.listener import Listener, require_loopback
from resilient_client.testing.loop_thread import LoopThread
from resilient_client.testing.script import Script

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from types import TracebackType

    from resilient_client.testing.certificates import Tls
    from resilient_client.testing.http2_side import Http2Side
    from resilient_client.testing.script import By, Route, Step


class FaultServer:
    """A scripted HTTP/1.1 (and with `http2`, HTTP/2) server in a thread, on 127.0.0.1 and a free port.

    ::

        with FaultServer() as server:
            server.on("GET /orders", status(503), then=ok())
            ...  # call server.url + "/orders"
            server.journal.assert_requests(2)

    `tls` picks the certificate: "valid" for localhost, or "self-signed", "expired", "wrong-host". `http2` offers h2 by
    ALPN beside http/1.1 and implies `tls="valid"`; `max_streams` is what it allows at once on a connection.
    `client_certificate` demands one signed by the test authority. `uds` listens on a Unix path in place of a port.
    `strict` (default) makes leaving the `with` block raise AssertionError when a request came that no route takes, a
    step raised or a client sent no HTTP; `check()` does the same at any time.

    Routes nobody scripted: `/` answers `{"status": "ok"}`, `/text` `ok`, `/echo` the request as JSON, `/upload` how
    much body came. Raises ValueError for a host that is not loopback, OSError when a given port is taken, ImportError
    when TLS or HTTP/2 need the `testing` extra.
    """

    def __init__(
        self,
        *,
        tls: Tls | None = None,
        http2: bool = False,
        uds: str | None = None,
        client_certificate: bool = False,
        script: Script | None = None,
        strict: bool = True,
        host: str = "127.0.0.1",
        port: int = 0,
        max_streams: int = 100,
    ) -> None:
        if tls is not None and tls not in KINDS:
            raise ValueError(f"tls={tls!r}: one of {', '.join(KINDS)}, or None for plain HTTP")
        self._certificate: Tls | None = "valid" if http2 and tls is None else tls
        if client_certificate and self._certificate is None:
            raise ValueError("client_certificate=True needs tls")
        self._http2 = _http2_side() if http2 else None
        self._context: ssl.SSLContext | None = None
        if self._certificate is not None:
            self._context = CERTIFICATES.server_context(
                self._certificate, http2=http2, client_certificate=client_certificate
            )
        self.strict = strict
        self.uds = uds
        self._host = require_loopback(host)
        self._port = port
        self._max_streams = max_streams
        self._desk = Desk(script or Script(), Journal())
        add_defaults(self._desk.script)
        self._running: _Running | None = None
        self._channels: dict[asyncio.Task[None], Channel] = {}

    # What a test reads and writes.

    @property
    def script(self) -> Script:
        """What the server answers."""
        return self._desk.script

    @property
    def journal(self) -> Journal:
        """What the server saw."""
        return self._desk.journal

    @property
    def problems(self) -> list[str]:
        """What went wrong on the server's side so far: steps that raised, clients that sent no HTTP."""
        return list(self._desk.problems)

    @property
    def port(self) -> int:
        """The port; 0 on a Unix path."""
        return self._now().listener.port

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end. On a Unix path its host and port mean nothing."""
        if self._certificate is not None:
            return f"https://localhost:{self.port}"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return "http://localhost" if self.uds is not None else f"http://{host}:{self.port}"

    def on(self, route: str, *steps: Step, then: Step | None = None, by: By = "request") -> Route:
        """Script `route` ("/path" or "METHOD /path"): `steps` in order, then `then` for ever. See `Script.on`."""
        return self.script.on(route, *steps, then=then, by=by)

    def check(self) -> None:
        """Raise AssertionError when an unexpected request came or something failed on the server's side."""
        found = [f"nothing is scripted for {request}, which was requested" for request in self.script.unexpected]
        found += self._desk.problems
        if found:
            raise AssertionError("\n".join(["the server met what it did not expect (strict=False allows it):", *found]))

    # TLS.

    def client_context(self) -> ssl.SSLContext:
        """Return a new context that trusts the test authority and nothing else."""
        return CERTIFICATES.client_context()

    def authority_file(self) -> str:
        """Return the path of the test authority's certificate, there until `stop`."""
        return self._now().file("authority.pem", CERTIFICATES.authority_pem())

    def client_cert_files(self) -> tuple[str, str]:
        """Return the paths of a client certificate, chain included, and of its key, there until `stop`."""
        certificate, key = CERTIFICATES.client_pems()
        running = self._now()
        return running.file("client.pem", certificate), running.file("client.key", key)

    # Coming and going.

    def start(self) -> None:
        """Listen; `with` does this."""
        if self._running is not None:
            raise RuntimeError("the server runs already")
        listener = Listener(self._host, self._port, self.uds, self._accepted)
        self._running = _Running(listener, LoopThread("paired-server", self._desk.problems.append))
        self.up()

    def stop(self) -> None:
        """Close everything and end the thread; nothing when it is not running. A step that blocks costs seconds."""
        running = self._running
        if running is None:
            return
        try:
            running.thread.stop(self._close(running.listener.close))
        except TimeoutError as held_up:
            self._desk.problems.append(str(held_up))
        self._running = None
        if running.files is not None:
            running.files.cleanup()

    def down(self) -> None:
        """Close every connection and refuse new ones until `up`. The port stays this server's."""
        running = self._now()
        running.thread.call(self._close(running.listener.down))

    def up(self) -> None:
        """Listen again, on the same port; nothing when it already does."""
        running = self._now()
        running.thread.call(self._listen(running))

    def close_idle(self) -> None:
        """Close (FIN) the connections that have carried a request and carry none now, without a word of HTTP."""
        self._now().thread.call(self._close_idle())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        if error is None and self.strict:
            self.check()

    def _now(self) -> _Running:
        if self._running is None:
            raise RuntimeError("the server is not running: use it in a with block, or call start()")
        return self._running

    # On the loop's thread.

    async def _listen(self, running: _Running) -> None:
        running.listener.up(running.thread.loop)

    async def _close(self, listening: Callable[[], None]) -> None:
        listening()
        await asyncio.sleep(0)  # so that every accepted connection's task has begun and owns its socket
        channels = dict(self._channels)
        for task, channel in channels.items():
            channel.abort()
            task.cancel()
        await asyncio.gather(*channels, return_exceptions=True)
        for channel in channels.values():
            await channel.wait_lost()

    async def _close_idle(self) -> None:
        for channel in self._channels.values():
            if channel.idle:
                channel.hang_up()
        await asyncio.sleep(0)  # sockets close one turn of the loop later

    def _accepted(self, accepted: socket.socket) -> None:
        channel = Channel(accepted, self.journal)
        task = asyncio.get_running_loop().create_task(self._serve(channel))
        self._channels[task] = channel
        task.add_done_callback(self._served)

    async def _serve(self, channel: Channel) -> None:
        try:
            with contextlib.suppress(OSError):  # the client left or refused during the handshake
                await self._side(channel, await channel.open(self._context)).run()
        finally:
            channel.hang_up()
            await channel.wait_lost()

    def _side(self, channel: Channel, protocol: str | None) -> Http1Side | Http2Side:
        if self._http2 is not None and protocol == "h2":
            return self._http2(channel, self._desk, max_streams=self._max_streams)
        return Http1Side(channel, self._desk)

    def _served(self, task: asyncio.Task[None]) -> None:
        del self._channels[task]
        if not task.cancelled() and (error := task.exception()):
            self._desk.problems.append("".join(traceback.format_exception(error)))


@dataclass(slots=True)
class _Running:
    """What a server has only between `start` and `stop`."""

    listener: Listener
    thread: LoopThread
    files: tempfile.TemporaryDirectory[str] | None = None

    def file(self, name: str, content: bytes) -> str:
        """Write `content` to a file that goes with the server."""
        if self.files is None:
            self.files = tempfile.TemporaryDirectory(prefix="paired-server-")
        path = Path(self.files.name, name)
        path.write_bytes(content)
        return str(path)


def _http2_side() -> type[Http2Side]:
    try:
        from resilient_client.testing.http2_side import Http2Side  # noqa: PLC0415 - h2 is an optional dependency
    except ImportError as missing:
        raise ImportError("an HTTP/2 server needs h2: install resilient-client[testing]") from missing
    return Http2Side
