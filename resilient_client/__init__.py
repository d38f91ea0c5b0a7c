"""resilient_client: call other services without making their outage yours.

One policy pipeline (deadline, retry, bulkhead, circuit breaker, timeouts) behind a blocking `Client` and an
`AsyncClient`; every call returns a `Success` or a `Failure`, a value that tells what was tried and why it ended.
"""

from typing import TYPE_CHECKING, Any

from resilient_client.ambient import deadline
from resilient_client.async_client import AsyncClient
from resilient_client.client import Client
from resilient_client.config import load_policies
from resilient_client.errors import CallFailed, ClientClosed, ConfigError, ResilientClientError, StreamClosed
from resilient_client.gathering import Request
from resilient_client.headers import Headers
from resilient_client.policy import Breaker, Bulkhead, Policy, Retry, RetryBudget, Timeouts
from resilient_client.result import Attempt, Failure, FailureKind, Result, StopReason, Success

if TYPE_CHECKING:
    from resilient_client.lines import ServerSentEvent
    from resilient_client.pipeline.kernels import Kernels
    from resilient_client.state import BulkheadState, CircuitState, ClientState
    from resilient_client.streams import AsyncStream, Stream
    from resilient_client.transfers.downloaded import Downloaded
    from resilient_client.websocket import AsyncWebSocket, WebSocket

__all__ = [
    "AsyncClient",
    "AsyncStream",
    "AsyncWebSocket",
    "Attempt",
    "Breaker",
    "Bulkhead",
    "BulkheadState",
    "CallFailed",
    "CircuitState",
    "Client",
    "ClientClosed",
    "ClientState",
    "ConfigError",
    "Downloaded",
    "Failure",
    "FailureKind",
    "Headers",
    "Kernels",
    "Policy",
    "Request",
    "ResilientClientError",
    "Result",
    "Retry",
    "RetryBudget",
    "ServerSentEvent",
    "StopReason",
    "Stream",
    "StreamClosed",
    "Success",
    "Timeouts",
    "WebSocket",
    "deadline",
    "load_policies",
]

__version__ = "0.1.0"

_WHERE = {
    "AsyncStream": "streams",
    "AsyncWebSocket": "websocket",
    "BulkheadState": "state",
    "CircuitState": "state",
    "ClientState": "state",
    "Downloaded": "transfers.downloaded",
    "Kernels": "pipeline.kernels",
    "ServerSentEvent": "lines",
    "Stream": "streams",
    "WebSocket": "websocket",
}
"""Names that few programs use; each is imported when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
