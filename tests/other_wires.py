"""Worlds of real sockets whose clients go over another wire than the default one."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from typing import Any, Final
from unittest import mock

import worlds
from pyreqwest.client import SyncClientBuilder

from resilient_client import AsyncClient, Client, Policy, Timeouts
from resilient_client.wire import pyreqwest_clients

SyncClientBuilder().build()  # starts the one thread of pyreqwest, which lasts as long as the process


class OnHttpx2(worlds.WireBlocking):
    name = "httpx2-blocking"

    def _make(self, name: str, **options: Any) -> Client:
        return Client(name, wire="httpx2", **options)


class OnHttpx2Async(worlds.WireAsync):
    name = "httpx2-async"

    def _make(self, name: str, **options: Any) -> AsyncClient:
        return AsyncClient(name, wire="httpx2", **options)


class OnAiohttp(worlds.WireAsync):
    name = "aiohttp"

    def _make(self, name: str, **options: Any) -> AsyncClient:
        return AsyncClient(name, wire="aiohttp", **options)


KEPT: Final = 1.0
"""Seconds that pyreqwest keeps an idle connection; it looks for them as seldom, and tests wait for that."""


class TrustedByTheSystem:
    """pyreqwest takes roots from the system alone, or from where the environment says they are."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = mock.patch.object(pyreqwest_clients, "KEEPALIVE", KEPT)
        self._kept.start()
        self._before = os.environ.get("SSL_CERT_FILE")
        self._folder = tempfile.TemporaryDirectory()

    def _trusting(self, options: dict[str, Any]) -> dict[str, Any]:
        verify = options.get("verify", True)
        if isinstance(verify, bool):
            return options
        path = Path(self._folder.name) / "roots.pem"
        if isinstance(verify, ssl.SSLContext):
            found = verify.get_ca_certs(binary_form=True)
            path.write_text("".join(map(ssl.DER_cert_to_PEM_cert, found)), encoding="ascii")
        else:
            path.write_bytes(Path(verify).read_bytes())
        os.environ["SSL_CERT_FILE"] = str(path)
        return {**options, "verify": True}

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        self._kept.stop()
        if self._before is None:
            os.environ.pop("SSL_CERT_FILE", None)
        else:
            os.environ["SSL_CERT_FILE"] = self._before
        self._folder.cleanup()


def ready(client: Any) -> Any:
    """Make now what a call with a patient policy of its own needs: it is not what takes that call's time."""
    client._wire.prepare([Policy(timeouts=Timeouts(connect=10, read=10, write=10, attempt=20, total=40))])
    return client


class OnPyreqwest(TrustedByTheSystem, worlds.WireBlocking):
    name = "pyreqwest-blocking"

    def _make(self, name: str, **options: Any) -> Client:
        return ready(Client(name, wire="pyreqwest", **self._trusting(options)))


class OnPyreqwestAsync(TrustedByTheSystem, worlds.WireAsync):
    name = "pyreqwest-async"

    def _make(self, name: str, **options: Any) -> AsyncClient:
        return ready(AsyncClient(name, wire="pyreqwest", **self._trusting(options)))


OTHERS = (OnHttpx2, OnHttpx2Async, OnAiohttp, OnPyreqwest, OnPyreqwestAsync)
EVERY = worlds.WIRE + OTHERS
