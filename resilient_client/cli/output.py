"""A result on stdout: for people as timeline, head and body; for programs as one JSON document."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import typer

from resilient_client import decoding
from resilient_client.cli.terminal import coloured, safe
from resilient_client.headers import Headers
from resilient_client.redact import redact_header, redact_url
from resilient_client.result import Failure, Result

LEVELS: Final = 100
"""JSON nested deeper is not indented: a few kilobytes of it would become gigabytes of spaces."""


# For people.


def show(result: Result[Any], output: Path | None) -> None:
    """Print the timeline, then the answer when there was one."""
    show_timeline(result)
    if result.status is not None and result.headers is not None:
        _print("")
        for line in _head(result.status, result.headers):
            _print(safe(line))
    if not result.content:
        return
    _print("")
    if output is not None:
        _print(f"{len(result.content)} bytes written to {output}")
    else:
        _show_body(result.content, result.headers)


def show_timeline(result: Result[Any]) -> None:
    """Print how it went, from attempt to attempt."""
    first, *rest = result.explain().splitlines()
    _print(coloured(first, typer.colors.GREEN if result else typer.colors.RED))
    for line in rest:
        _print(safe(line))


def _head(status: int, headers: Headers) -> Iterator[str]:
    try:
        yield f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        yield str(status)
    for name, value in headers.pairs:
        yield f"{name}: {redact_header(name, value)}"


def _show_body(content: bytes, headers: Headers | None) -> None:
    media_type = headers.get("content-type") if headers else None
    text = text_of(content, media_type)
    if text is not None:
        _print(safe(pretty(text)))
    elif sys.stdout.isatty():
        _print(f"{len(content)} bytes of {safe(media_type or 'unknown type')}")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def text_of(content: bytes, media_type: str | None) -> str | None:
    """Return `content` as text; None when it is something else."""
    try:
        text = content.decode(decoding.charset(media_type))
    except (LookupError, ValueError):
        return None
    return None if "\0" in text else text


def pretty(text: str) -> str:
    """Return JSON indented, anything else as it is."""
    with contextlib.suppress(ValueError, RecursionError):
        parsed = json.loads(text)
        if _shallow(parsed, LEVELS):
            return json.dumps(parsed, indent=2, ensure_ascii=False)
    return text.removesuffix("\n")


def _shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    children = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_shallow(child, levels - 1) for child in children)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")


# For programs.


def document(result: Result[Any], output: Path | None) -> dict[str, Any]:
    """Return the result as what JSON can hold, every key always there, no credential in it.

    `body` is text, or base64 when `body_encoding` says so; None when there was no body or it went to a file.
    """
    body, encoding = (None, None) if output is not None else _body(result)
    return {
        "ok": result.ok,
        "kind": None,
        "message": None,
        "method": result.method,
        "url": redact_url(result.url),
        "status": result.status,
        "headers": None if result.headers is None else _fields(result.headers),
        "body": body,
        "body_encoding": encoding,
        "body_file": str(output) if output is not None and result.content is not None else None,
        "elapsed": result.elapsed,
        "attempts": [asdict(attempt) for attempt in result.attempts],
        "stopped": None,
        "sent": True,
        "retry_after": None,
        **(_failed(result) if isinstance(result, Failure) else {}),
    }


def _failed(failure: Failure) -> dict[str, Any]:
    return {name: getattr(failure, name) for name in ("kind", "message", "stopped", "sent", "retry_after")}


def _fields(headers: Headers) -> dict[str, str]:
    return {name: redact_header(name, value) for name, value in headers.items()}


def _body(result: Result[Any]) -> tuple[str | None, str | None]:
    if result.content is None:
        return None, None
    text = text_of(result.content, result.headers.get("content-type") if result.headers else None)
    if text is not None:
        return text, "text"
    return base64.b64encode(result.content).decode("ascii"), "base64"
