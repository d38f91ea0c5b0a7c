"""The command `call`: one resilient call to any URL or to a service of a policy file, and an exit code for scripts."""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import typer

from resilient_client.base_client import BaseClient
from resilient_client.call_options import CallOptions
from resilient_client.cli import options as given
from resilient_client.cli.asked import check_url, options_for, overrides_for, policy_for, positionals, way_for
from resilient_client.cli.callers import Caller, of_file, of_its_own
from resilient_client.cli.output import document, show
from resilient_client.cli.usage import told_as_usage, why, wrong
from resilient_client.result import Result

C = TypeVar("C", bound=BaseClient)


def call(
    target: given.Target = None,
    *,
    policies: given.Policies = None,
    header: given.Header = None,
    user: given.User = None,
    data: given.Data = None,
    json_body: given.JsonBody = None,
    idempotency_key: given.IdempotencyKey = None,
    expect: given.Expect = None,
    total: given.Total = None,
    attempt: given.Attempt = None,
    connect: given.Connect = None,
    max_attempts: given.MaxAttempts = None,
    redirects: given.Redirects = None,
    insecure: given.Insecure = False,
    cacert: given.CaCert = None,
    proxy: given.Proxy = None,
    uds: given.Uds = None,
    asynchronous: given.Asynchronous = False,
    http2: given.Http2 = False,
    output: given.Output = None,
    as_json: given.AsJson = False,
) -> None:
    """Make one resilient call and tell how it went. Exits with 0 for a success, 1 for a failure, 2 for wrong usage."""
    *names, method, url = positionals(target or [], from_file=policies is not None)
    if policies is None or "://" in url:
        check_url(url)
    _check_writable(output)
    if http2 and not asynchronous:
        raise wrong("--http2", "HTTP/2 needs --async")
    options = options_for(
        header=header or [], user=user, data=data, json_body=json_body, key=idempotency_key, expect=expect
    )
    bounds = {"total": total, "attempt": attempt, "connect": connect}
    way = way_for(proxy=proxy, uds=uds, cacert=cacert, insecure=insecure, http2=http2)
    with told_as_usage():
        if policies is None:
            caller = of_its_own({**way, "policy": policy_for(bounds, max_attempts, redirects)})
        else:
            caller = of_file(policies, names[0], {**way, **overrides_for(bounds, max_attempts, redirects)})
        result = (_call_async if asynchronous else _call)(caller, method, url, options)
    _tell(result, output, as_json=as_json)
    raise typer.Exit(0 if result else 1)


def _call(caller: Caller, method: str, url: str, options: CallOptions) -> Result[Any]:
    with _made(caller.blocking) as client:
        return client.request(method, url, **options)


def _call_async(caller: Caller, method: str, url: str, options: CallOptions) -> Result[Any]:
    async def one_call() -> Result[Any]:
        async with _made(caller.asynchronous) as client:
            return await client.request(method, url, **options)

    return asyncio.run(one_call())


def _made(make: Callable[[], C]) -> C:
    """Make the client; what it warns of is said as one line."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = make()
    for warning in told:
        sys.stderr.write(f"warning: {warning.message}\n")
    return made


def _check_writable(output: Path | None) -> None:
    """Refuse a place that cannot take a body before anything is sent."""
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise wrong("--output", f"{output} is no place for a file")


def _tell(result: Result[Any], output: Path | None, *, as_json: bool) -> None:
    if output is not None and result.content is not None:
        try:
            output.write_bytes(result.content)
        except OSError as problem:
            raise wrong("--output", f"cannot write {output}: {why(problem)}") from None
    if as_json:
        sys.stdout.write(json.dumps(document(result, output), indent=2) + "\n")
    else:
        show(result, output)
