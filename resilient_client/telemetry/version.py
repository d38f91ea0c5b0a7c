"""What OpenTelemetry knows the package by."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

NAME: Final = "resilient_client"

SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"


def _installed() -> str:
    try:
        return version("resilient-client")
    except PackageNotFoundError:  # run from a folder that was not installed
        return ""


VERSION: Final = _installed()
