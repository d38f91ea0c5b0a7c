"""Turn a body's bytes into text, JSON or a type of the caller's; every way to fail is `Undecodable`."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar, get_args

from resilient_client.errors import ConfigError

T = TypeVar("T")

Decoder: TypeAlias = Callable[[bytes], T]


class Undecodable(ValueError):
    """The body is not what it was taken for. Internal: callers see a `Failure` of kind `decode`."""


def charset(content_type: str | None) -> str:
    """Return the charset a Content-Type names when Python knows it, else `utf-8`."""
    for parameter in (content_type or "").split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset":
            try:
                return codecs.lookup(value.strip("\"' ")).name
            except (LookupError, ValueError):
                break
    return "utf-8"


def text(content: bytes, content_type: str | None) -> str:
    """Return `content` as text in its charset; bytes that do not fit become U+FFFD."""
    try:
        return content.decode(charset(content_type), errors="replace")
    except (LookupError, ValueError, TypeError):  # a codec that is not for text, such as base64
        return content.decode("utf-8", errors="replace")


def parse_json(content: bytes) -> Any:
    """Return `content` parsed as JSON; raises `Undecodable` for any reason it is not."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise Undecodable("the JSON is nested too deeply") from None
    except ValueError as problem:  # JSONDecodeError and UnicodeDecodeError
        raise Undecodable(f"the body is not JSON: {_first_line(problem)}") from problem


def _first_line(problem: BaseException) -> str:
    lines = str(problem).splitlines()
    return lines[0] if lines else type(problem).__name__


def decoder(kind: type[T]) -> Decoder[T]:
    """Return the decoder for `kind`: pydantic for its models and what holds them, msgspec for everything else.

    Raises `ConfigError` for something that is no type to decode into, and when the engine it needs is not installed.
    """
    try:
        return _decoder(kind)  # type: ignore[arg-type] # types are hashable; those that are not are told below
    except TypeError as problem:
        raise ConfigError(f"decode={_name(kind)}: not a type ({problem})") from None


@lru_cache(maxsize=256)
def _decoder(kind: type[T]) -> Decoder[T]:
    try:
        return _guarded(_with_pydantic(kind) if _holds_model(kind) else _with_msgspec(kind), kind)
    except ImportError:
        raise ConfigError(f"decode={_name(kind)}: needs msgspec; install resilient-client[decode]") from None
    except Exception as problem:
        raise ConfigError(
            f"decode={_name(kind)}: not a type that can be decoded into ({_first_line(problem)}); give a dataclass, "
            f"a pydantic model, a msgspec struct, a TypedDict or a standard container of them"
        ) from problem


def _holds_model(kind: Any) -> bool:
    """Return whether `kind` is a pydantic model or a container of one."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None:
        return False
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return True
    return any(map(_holds_model, get_args(kind)))


def _with_pydantic(kind: type[T]) -> Decoder[T]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only callers that decode into models pay for it

    return TypeAdapter(kind).validate_json


def _with_msgspec(kind: type[T]) -> Decoder[T]:
    import msgspec  # noqa: PLC0415 - only callers of decode= pay for it

    return msgspec.json.Decoder(kind).decode


def _guarded(decode: Callable[[bytes], T], kind: type[T]) -> Decoder[T]:
    def decode_body(content: bytes) -> T:
        try:
            return decode(content)
        except Exception as problem:
            why = _reason(problem) if content else "it is empty"
            raise Undecodable(f"the body does not fit {_name(kind)}: {why}") from problem

    return decode_body


def _reason(problem: Exception) -> str:
    errors: Callable[[], list[dict[str, Any]]] | None = getattr(problem, "errors", None)
    if errors is None:
        return _first_line(problem)
    first = errors()[0]
    where = ".".join(map(str, first.get("loc", ())))
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _name(kind: object) -> str:
    return kind.__qualname__ if isinstance(kind, type) and not get_args(kind) else repr(kind)
