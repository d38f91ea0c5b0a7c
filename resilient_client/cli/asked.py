"""From the texts of the command line to the policy and the options of one call; what is wrong is a usage error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from resilient_client.call_options import CallOptions
from resilient_client.cli.usage import read_file, wrong
from resilient_client.policy import Policy, Retry, Timeouts
from resilient_client.redact import redact_url
from resilient_client.rules import MOST_BYTES


def positionals(target: list[str], *, from_file: bool) -> list[str]:
    """Return the arguments of a call once their number is right."""
    wanted, other = "METHOD URL", "--policies FILE CLIENT METHOD PATH"
    if from_file:
        wanted, other = "CLIENT METHOD PATH", "call METHOD URL without --policies"
    if len(target) != len(wanted.split()):
        given = f"{len(target) or 'nothing'} {'was' if len(target) < 2 else 'were'} given"
        raise wrong(wanted, f"{given}; write {wanted}, or {other}")
    return target


ONE_CALL: Final = Policy(retry=Retry(budget=None), breaker=None, bulkhead=None)
"""Breaker, bulkhead and retry budget judge many calls; for one it is the number of attempts asked for that counts."""

ONE_DOWNLOAD: Final = replace(
    ONE_CALL,
    timeouts=Timeouts(total=None),
    retry=Retry(max_attempts=10, wait_max=30, budget=None),
    redirects=10,
    max_body=MOST_BYTES,
)
"""A file takes as long as it takes and is as large as it is; ten attempts get it over an outage of half a minute."""


def policy_for(
    bounds: Mapping[str, float | None], max_attempts: int | None, redirects: int | None, usual: Policy = ONE_CALL
) -> Policy:
    """Return the policy of a call that is the only one of its process: `usual` with what was given in its place."""
    timeouts: Any = _given(bounds)
    attempts: Any = _given({"max_attempts": max_attempts})
    return replace(
        usual,
        timeouts=replace(usual.timeouts, **timeouts),
        retry=replace(usual.retry or Retry(), **attempts),
        redirects=usual.redirects if redirects is None else redirects,
    )


def overrides_for(
    bounds: Mapping[str, float | None], max_attempts: int | None, redirects: int | None
) -> dict[str, Any]:
    """Return what stands above a policy file, in its form: only what was given."""
    retry = _given({"max_attempts": max_attempts})
    tables = {"timeouts": _given(bounds) or None, "retry": retry or None, "redirects": redirects}
    return _given(tables)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def way_for(*, proxy: str | None, uds: str | None, cacert: str | None, insecure: bool, http2: bool) -> dict[str, Any]:
    """Return the options of a client that say how it gets to a server: only what was given."""
    if insecure and cacert is not None:
        raise wrong("--cacert", "--insecure was given too, and nothing would be checked")
    verify = False if insecure else cacert
    return _given({"proxy": proxy, "uds": uds, "verify": verify, "http2": http2 or None})


def check_url(url: str) -> None:
    """Refuse what the command line has another place for; the client looks at the rest."""
    if "://" not in url:
        raise wrong("URL", f"{redact_url(url)!r} has no scheme; write it in full, such as https://host/path")
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise wrong("URL", "credentials do not belong in a URL; use --user name:password")


def options_for(
    *,
    header: list[str],
    user: str | None,
    data: str | None,
    json_body: str | None,
    key: str | None,
    expect: str | None,
) -> CallOptions:
    """Return the options of the verb."""
    if data is not None and json_body is not None:
        raise wrong("--json-body", "give --data or --json-body, not both")
    headers = [parse_header(line) for line in header]
    options: CallOptions = {"headers": headers, "idempotency_key": key}
    if user is not None:
        options["auth"] = parse_user(user)
    if expect is not None:
        options["expect"] = parse_statuses(expect)
    if data is not None:
        options["content"] = body_of(data, "--data")
    if json_body is not None:
        options["content"] = parse_json_body(json_body)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
    return options


def parse_header(line: str) -> tuple[str, str]:
    """Return name and value of `Name: value`."""
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise wrong("--header", f"{name!r} has no colon; write it as 'Name: value'")
    return name.strip(), value.strip()


def parse_user(text: str) -> tuple[str, str]:
    """Return name and password of `name:password`."""
    name, colon, password = text.partition(":")
    if not colon:
        raise wrong("--user", "there is no colon in it; write it as name:password")
    return name, password


def parse_statuses(text: str) -> set[int]:
    """Return the statuses of `200,404`."""
    try:
        return {int(part) for part in text.split(",")}
    except ValueError:
        raise wrong("--expect", f"{text!r}: give statuses separated by commas, such as 200,404") from None


def body_of(text: str, option: str) -> bytes:
    """Return the body that `text` or, after `@`, a file holds; `@-` is stdin."""
    if not text.startswith("@"):
        return text.encode()
    return sys.stdin.buffer.read() if text == "@-" else read_file(text[1:], option)


def parse_json_body(text: str) -> bytes:
    """Return the body as it was written, once it is known to be JSON."""
    content = body_of(text, "--json-body")
    try:
        json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise wrong("--json-body", f"that is not JSON: {problem}") from None
    return content
