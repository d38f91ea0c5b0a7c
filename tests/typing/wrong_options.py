"""Misspelt options are found by the type checkers: an unused ignore fails the check."""

from __future__ import annotations

from resilient_client import Client, Policy, Retry


def misspelt(client: Client) -> None:
    client.get("/", parms={})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.stream("GET", "/", decode=dict)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.download("/", "file", decode=dict)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Retry(max_attempt=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Policy(retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
