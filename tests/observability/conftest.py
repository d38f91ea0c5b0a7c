"""One incident for all tests of the folder, recorded by a real Prometheus."""

from __future__ import annotations

import pytest
from observability.recording import recorded

PHASE = 2.5


@pytest.fixture(scope="session")
def incident(tmp_path_factory):
    with recorded(tmp_path_factory.mktemp("incident"), PHASE) as recording:
        yield recording
