"""The options of every verb, and what is wrong with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias, TypedDict

from resilient_client.errors import ConfigError
from resilient_client.policy import Policy
from resilient_client.result import Result
from resilient_client.wire.requests import HeaderInput, new_idempotency_key
from resilient_client.wire.urls import Params

OnComplete: TypeAlias = Callable[[Result[Any]], object]
"""Is given the result of a call; what it returns or raises changes nothing."""


class CallOptions(TypedDict, total=False):
    """The options of every verb, besides `url` and `decode`."""

    params: Params | None
    """Query: a mapping or pairs, added to the URL's own."""
    headers: HeaderInput | None
    """Added to the client's, replacing those of the same name."""
    content: Any
    """The body as bytes, str, a file open in 'rb', or an iterable of bytes (asynchronous ones for `AsyncClient`)."""
    json: Any
    """The body as JSON: what `json.dumps` takes, dataclasses, pydantic models, msgspec structs."""
    data: Any
    """The body as form fields; with `files`, the other fields of the multipart form."""
    files: Any
    """The body as a multipart form: names to handles, bytes, or (file name, content, media type)."""
    auth: Any
    """In place of the client's: (user, password), an `httpx.Auth`, or a function of the request."""
    policy: Policy | None
    """In place of the client's, for this call."""
    route: str | None
    """The low-cardinality name of the URL, such as "/orders/{id}": the breaker's key and telemetry use it."""
    idempotency_key: str | bool | None
    """Makes repeating safe: sent as Idempotency-Key, the same on every attempt. True makes a new one."""
    expect: Collection[int] | None
    """Which statuses are a success; by default all below 400."""
    on_complete: OnComplete | None
    """A function that is given the result, once, before the caller gets it; of a stream, when that is over."""


def check_is(value: object, kind: type, name: str) -> None:
    """Raise `TypeError` unless `value` is a `kind` or None."""
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name}={value!r}: give a {kind.__name__} or None")


def check_switch(value: object, name: str) -> None:
    """Raise `TypeError` unless `value` is True or False: "off" would be as good as True."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}: give True or False")


def check_known(options: Mapping[str, Any]) -> None:
    """Raise `TypeError` for an option that no verb has."""
    unknown = options.keys() - CallOptions.__optional_keys__
    if unknown:
        allowed = sorted(CallOptions.__optional_keys__)
        raise TypeError(
            f"unknown option {min(unknown)}={_hint(min(unknown), allowed)}; allowed are {', '.join(allowed)}"
        )


ELSEWHERE: Final = {
    "timeout": "; that is a matter of the policy: policy=Policy(timeouts=Timeouts(total=...))",
    "timeouts": "; that is a matter of the policy: policy=Policy(timeouts=Timeouts(total=...))",
    "retries": "; that is a matter of the policy: policy=Policy(retry=Retry(max_attempts=...))",
    "retry": "; that is a matter of the policy: policy=Policy(retry=Retry(max_attempts=...))",
    "follow_redirects": "; that is a matter of the policy: policy=Policy(redirects=...)",
    "allow_redirects": "; that is a matter of the policy: policy=Policy(redirects=...)",
    "verify": "; that is an option of the client",
    "cookies": "; give them in headers=",
}
"""Options that other clients have on a call, and where they are here."""


def _hint(name: str, allowed: Collection[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - for those who made a mistake

    near = get_close_matches(name, allowed, n=1)
    return ELSEWHERE.get(name) or (f"; did you mean {near[0]}=?" if near else "")


def expected_statuses(expect: Collection[int] | None) -> frozenset[int] | None:
    """Return the statuses of `expect=`; raises `TypeError` or `ConfigError`."""
    if expect is None:
        return None
    try:
        statuses = frozenset(expect)
    except TypeError:
        raise TypeError(f"expect={expect!r}: give a collection of statuses, such as {{200, 404}}") from None
    wrong = [status for status in statuses if isinstance(status, bool) or not isinstance(status, int)]
    if wrong or not statuses or not all(100 <= status <= 599 for status in statuses):
        raise ConfigError(f"expect={expect!r}: statuses are whole numbers from 100 to 599, at least one")
    return statuses


def key_of(key: str | bool | None) -> str | None:
    """Return the key of `idempotency_key=`, made anew for True; raises `TypeError`."""
    if key is True:
        return new_idempotency_key()
    if key is None or key is False:
        return None
    if not isinstance(key, str) or not key:
        raise TypeError(f"idempotency_key={key!r}: give a non-empty str, or True to have one made")
    return key


def checked_callback(function: OnComplete | None) -> OnComplete | None:
    """Return the function of `on_complete=`; raises `TypeError` for what cannot be called, or would be awaited."""
    if function is None:
        return None
    if not callable(function):
        raise TypeError(f"on_complete={function!r}: give a function of the result, or None")
    if inspect.iscoroutinefunction(function):
        raise TypeError("on_complete=: a coroutine function; give a plain one, which may start a task")
    return function
