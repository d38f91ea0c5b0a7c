"""pytest fixtures: `fault_server` and `fault_server_factory`. pytest loads this in every run, so it imports late."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resilient_client.testing.server import FaultServer


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """Run a plain HTTP `FaultServer`; unexpected requests and failing steps fail the test at teardown."""
    from resilient_client.testing.server import FaultServer  # noqa: PLC0415 - only tests that use it pay for it

    with FaultServer() as server:
        yield server


@pytest.fixture
def fault_server_factory() -> Iterator[Callable[..., FaultServer]]:
    """Call it with `FaultServer`'s arguments for a running server; all are stopped and checked at teardown."""
    from resilient_client.testing.server import FaultServer  # noqa: PLC0415 - only tests that use it pay for it

    with ExitStack() as servers:

        def start(**options: Any) -> FaultServer:
            return servers.enter_context(FaultServer(**options))

        yield start
