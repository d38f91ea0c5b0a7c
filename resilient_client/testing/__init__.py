"""Test code that calls services: a server that fails as told, and a world in which time is virtual.

`FaultServer` answers over real sockets on loopback; `VirtualWorld` plays the same scripts in memory, in no time. Both
are written with the steps of `resilient_client.testing.steps` and keep the same journal. Nothing is imported before it
is asked for: pytest loads this package in every run, for its fixtures.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from resilient_client.testing import steps
    from resilient_client.testing.far_side import VirtualWorld
    from resilient_client.testing.journal import Journal, Seen
    from resilient_client.testing.script import Script
    from resilient_client.testing.server import FaultServer

__all__ = ["FaultServer", "Journal", "Script", "Seen", "VirtualWorld", "steps"]

_HOMES: Final = {
    "FaultServer": "server",
    "Journal": "journal",
    "Script": "script",
    "Seen": "journal",
    "VirtualWorld": "far_side",
}


def __getattr__(name: str) -> Any:
    if name == "steps":
        return import_module("resilient_client.testing.steps")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"resilient_client.testing.{_HOMES[name]}"), name)
