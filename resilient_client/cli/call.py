"""The command `call`: one resilient call to any URL or to a service of a policy file, and an exit code for scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from resilient_client.cli import options as given
from resilient_client.cli.asked import check_url, options_for, overrides_for, policy_for, positionals, way_for
from resilient_client.cli.callers import of_file, of_its_own
from resilient_client.cli.output import document, show
from resilient_client.cli.usage import told_as_usage, why, wrong
from resilient_client.result import Result


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
        result = caller.use(lambda client: client.request(method, url, **options), asynchronous=asynchronous)
    _tell(result, output, as_json=as_json)
    raise typer.Exit(0 if result else 1)


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
