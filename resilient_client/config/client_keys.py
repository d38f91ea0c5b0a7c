"""The keys of a client's table that are no policy: where it is, what it sends with each call, how it gets there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from resilient_client.config import references
from resilient_client.config.forms import Form
from resilient_client.errors import ConfigError
from resilient_client.routing import Route
from resilient_client.wire.choices import NAMES
from resilient_client.wire.proxies import parse_proxy
from resilient_client.wire.requests import encode_headers
from resilient_client.wire.urls import Base


def _kept(value: Any) -> Any:
    return value


def _checked(test: Callable[[Any], bool], words: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not test(value):
            raise ValueError(f"must be {words}")
        return value

    return read


def _form(test: Callable[[Any], bool], words: str, schema: dict[str, Any], *, text: bool = False) -> Form:
    return Form(_checked(test, words), _kept, words, schema, text)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_certificate(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, (list, tuple)) and len(value) in {2, 3} and all(map(_is_text, value)))


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair)


def _read_match(value: Any) -> str:
    if not _is_text(value):
        raise ValueError("must be a route such as 'POST /charges/{id}'")
    try:
        return str(Route.parse(value))
    except ConfigError as problem:
        raise ValueError(_without_name(problem)) from None


def _read_base_url(value: Any) -> str:
    if not _is_text(value):
        raise ValueError("must be a URL such as 'https://payments.internal'")
    try:
        Base(value)
    except ConfigError as problem:
        if "@" in value:  # whatever is wrong with it, there is a credential in it
            raise ValueError("must be a URL without credentials, such as 'https://payments.internal'") from None
        raise ValueError(_without_name(problem)) from None
    return str(value)


def _without_name(problem: ConfigError) -> str:
    """Return what is wrong without the name and the value, which the report has told already."""
    return str(problem).partition(": ")[2]


def _read_headers(value: Any) -> dict[str, str]:
    if not _is_headers(value):
        raise ValueError("must be a table of names and texts")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("has one name twice; names of header fields are compared without regard to case")
    encode_headers({name: references.blanked(text) for name, text in value.items()})
    return dict(value)


def _read_proxy(value: Any) -> str:
    if not _is_text(value):
        raise ValueError("must be the URL of a proxy")
    try:
        if not references.is_one(value):
            parse_proxy(references.blanked(value))
    except ConfigError as problem:
        said = _without_name(problem)
        if "@" in value or not said:
            said = "must be the URL of a proxy, such as 'http://${USER}:${PASSWORD}@proxy:3128'"
        raise ValueError(said) from None
    return str(value)


def _text(what: str) -> Form:
    return _form(_is_text, what, {"type": "string", "minLength": 1}, text=True)


FLAG: Final = _form(_is_flag, "true or false", {"type": "boolean"})
EXTENDS: Final = (_text("the name of a preset"), "The preset whose values hold where nothing else is said.")
MATCH: Final = (
    Form(
        _read_match, _kept, "a route such as 'POST /charges/{id}'", {"type": "string", "pattern": "^([A-Z-]+ )?/"}, True
    ),
    "Method and URL template; without a method, any. {name} is one segment, {name:path} at the end one or more.",
)

CLIENT_KEYS: Final[dict[str, tuple[Form, str]]] = {
    "base_url": (
        Form(_read_base_url, _kept, "a URL", {"type": "string", "pattern": "^https?://"}, True),
        "Where relative URLs start.",
    ),
    "headers": (
        Form(_read_headers, _kept, "a table", {"type": "object", "additionalProperties": {"type": "string"}}),
        "Sent with every call. ${NAME} stands for an environment variable, looked up at each call and never shown.",
    ),
    "allow_other_origins": (FLAG, "Whether a call may leave base_url."),
    "verify": (
        _form(
            lambda value: _is_flag(value) or _is_text(value),
            "true, false or the path of root certificates",
            {"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 1}]},
        ),
        "Whom to trust: true, the path of root certificates, or false for no check at all.",
    ),
    "cert": (
        _form(
            _is_certificate,
            "a path, or an array of certificate, key and, if it has one, password",
            {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 2, "maxItems": 3},
                ]
            },
        ),
        "A client certificate: a path, or certificate, key and password, which may be ${NAME}.",
    ),
    "proxy": (
        Form(_read_proxy, _kept, "the URL of a proxy", {"type": "string", "pattern": "^([a-z0-9]+://|\\$\\{)"}, True),
        "An HTTP or SOCKS5 proxy; ${NAME} stands for an environment variable.",
    ),
    "uds": (_text("the path of a Unix socket"), "A Unix socket to go through."),
    "http2": (FLAG, "Offer HTTP/2 on https; for async_client() only."),
    "local_address": (_text("an IP address"), "The address that connections come from."),
    "trust_env": (FLAG, "Take proxy and root certificates from the environment."),
    "wire": (
        _form(NAMES.__contains__, "one of " + ", ".join(NAMES), {"enum": list(NAMES)}, text=True),
        'The HTTP library below the policies, with its extra; "aiohttp" for async_client() only.',
    ),
}
