"""What a far side answers on the routes a script says nothing about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from resilient_client.testing import steps
from resilient_client.testing.script import Data, End, Head, Received

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resilient_client.testing.script import Move, Script


def upload(request: Received) -> Iterable[Move]:
    """Answer with how much body came and in how many pieces, as JSON `bytes` and `chunks_seen`."""
    seen = {"bytes": request.size, "chunks_seen": request.chunks}
    yield Head(200, (("Content-Type", "application/json"),))
    yield Data(json.dumps(seen).encode())
    yield End()


def add_defaults(script: Script) -> None:
    """Give `script` the smallest useful routes: `/`, `/text`, `/echo` and `/upload`; its own come first."""
    script.fall_back("GET /", steps.ok())
    script.fall_back("HEAD /", steps.ok())
    script.fall_back("/text", steps.text())
    script.fall_back("/echo", steps.echo())
    script.fall_back("POST /upload", upload)
    script.fall_back("PUT /upload", upload)
