"""From the arguments of a verb to a request body, and the header fields that describe it."""

from __future__ import annotations

import dataclasses
import io
import json as jsonlib
import sys
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

from resilient_client.exchange import Body
from resilient_client.wire.bodies import EMPTY, Bytes, File, FromHere, Multipart, Stream


def encode(
    *, content: Any = None, data: Any = None, files: Any = None, json: Any = None, asynchronous: bool = False
) -> tuple[Body, list[tuple[bytes, bytes]]]:
    """Return the body that the arguments of a verb make, and the header fields that describe it.

    Raises `TypeError` for more than one kind of body, and for an asynchronous one in a blocking client.
    """
    given = [name for name, value in (("content", content), ("json", json)) if value is not None]
    if data is not None or files is not None:
        given.append("data" if files is None else "files")
    if len(given) > 1:
        raise TypeError(f"{given[0]}= and {given[1]}= were both given; a request has one body")
    if content is not None:
        return _content(content, asynchronous=asynchronous)
    if json is not None:
        return _sized(dump_json(json), b"application/json")
    if files is not None:
        return _multipart(data, files)
    if data is not None:
        return _form(data)
    return EMPTY, []


def _sized(content: bytes, media_type: bytes | None = None) -> tuple[Body, list[tuple[bytes, bytes]]]:
    fields = [(b"Content-Length", b"%d" % len(content))]
    return Bytes(content), fields if media_type is None else [*fields, (b"Content-Type", media_type)]


def _content(content: Any, *, asynchronous: bool) -> tuple[Body, list[tuple[bytes, bytes]]]:
    if isinstance(content, str):
        return _sized(content.encode())
    if isinstance(content, (bytes, bytearray, memoryview)):
        return _sized(bytes(content))
    if hasattr(content, "read"):
        if isinstance(content, io.TextIOBase):
            raise TypeError("content=: the file is open in text mode; open it with mode 'rb'")
        body = File(content)
        length = body.length
        return body, [(b"Transfer-Encoding", b"chunked") if length is None else (b"Content-Length", b"%d" % length)]
    if isinstance(content, AsyncIterable) and not asynchronous:
        raise TypeError(
            "content=: an asynchronous iterable needs AsyncClient; give Client an ordinary iterable of bytes"
        )
    if isinstance(content, (Iterable, AsyncIterable)) and not isinstance(content, Mapping):
        return Stream(content), [(b"Transfer-Encoding", b"chunked")]
    raise TypeError(
        f"content={type(content).__name__}: give bytes, str, a file open in 'rb', or an iterable of bytes; "
        f"use json= or data= for structured values"
    )


def _form(data: Any) -> tuple[Body, list[tuple[bytes, bytes]]]:
    if not isinstance(data, Mapping):
        raise TypeError(f"data={type(data).__name__}: give a mapping of form fields; use content= for raw bytes")
    import httpx  # noqa: PLC0415 - a client has loaded it

    request = httpx.Request("POST", "http://form", data=dict(data))
    return _sized(request.content, b"application/x-www-form-urlencoded")


def _multipart(data: Any, files: Any) -> tuple[Body, list[tuple[bytes, bytes]]]:
    try:
        pairs = [(name, value) for name, value in (files.items() if isinstance(files, Mapping) else files)]
    except (TypeError, ValueError):
        raise TypeError(f"files={type(files).__name__}: give a mapping, or pairs, of field names and files") from None
    for name, value in pairs:
        _check_part(name, value)
    if not pairs:
        return _form(data or {})
    import httpx  # noqa: PLC0415 - a client has loaded it

    wrapped = [(name, _part(value)) for name, value in pairs]
    request = httpx.Request("POST", "http://form", data=dict(data or {}), files=wrapped)
    fields = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    return Multipart(request.stream, replayable=all(_rewinds(value) for _, value in wrapped)), fields


def _check_part(name: object, value: Any) -> None:
    content = value[1] if isinstance(value, tuple) and 2 <= len(value) <= 4 else value
    if isinstance(content, (str, bytes)) or (hasattr(content, "read") and not isinstance(content, io.TextIOBase)):
        return
    raise TypeError(
        f"files[{name!r}]={type(content).__name__}: give bytes, a file open in 'rb', or (name, content, media type)"
    )


def _part(value: Any) -> Any:
    if isinstance(value, tuple):
        name, handle, *rest = value
        return (name, _from_here(handle), *rest)
    return _from_here(value)


def _from_here(handle: Any) -> Any:
    try:
        return FromHere(handle) if not isinstance(handle, io.TextIOBase) and handle.seekable() else handle
    except AttributeError:
        return handle


def _rewinds(value: Any) -> bool:
    part = value[1] if isinstance(value, tuple) else value
    return isinstance(part, (str, bytes, FromHere))


def dump_json(value: Any) -> bytes:
    """Return `value` as JSON: what `json.dumps` takes, dataclasses, pydantic models and msgspec structs.

    Raises `TypeError` or `ValueError` for anything else, and for NaN and infinity, which JSON does not have.
    """
    try:
        text = jsonlib.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"json=: {problem}") from problem
    return text.encode()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    msgspec = sys.modules.get("msgspec")
    if msgspec is not None and isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    raise TypeError(
        f"json=: a {type(value).__name__} is not JSON; give what json.dumps takes, a dataclass, a pydantic model or a "
        f"msgspec struct"
    )
