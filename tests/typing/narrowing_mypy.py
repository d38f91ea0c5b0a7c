"""mypy narrows on the truth of a member as well; pyright does not, so only mypy checks this file."""

from __future__ import annotations

from typing import assert_type

from resilient_client import Client, Failure, Success


def ok_narrows(client: Client) -> None:
    result = client.get("/orders/1")
    if result.ok:
        assert_type(result, Success[None])
    else:
        assert_type(result, Failure)
