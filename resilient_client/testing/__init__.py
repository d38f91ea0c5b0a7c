"""Test code that calls services: a server that fails as told, and a world in which time is virtual.

`FaultServer` answers over real sockets on loopback; `VirtualWorld` plays the same scripts in memory, in no time. Both
are written with the steps of `resilient_client.testing.steps` and keep the same journal.
"""

from resilient_client.testing import steps
from resilient_client.testing.far_side import VirtualWorld
from resilient_client.testing.journal import Journal, Seen
from resilient_client.testing.script import Script
from resilient_client.testing.server import FaultServer

__all__ = ["FaultServer", "Journal", "Script", "Seen", "VirtualWorld", "steps"]
