"""`python -m examples.checkout` serves it on port 8046, or on the one that the variable PORT names."""

from __future__ import annotations

import os

import uvicorn

from examples.checkout.app import create_app

if __name__ == "__main__":
    uvicorn.run(
        create_app(),
        port=int(os.environ.get("PORT", "8046")),
        log_config=None,  # its lines go where ours go
        access_log=False,  # telemetry.py writes a line per request, with the ids of its trace
    )
