"""The command `download`: a file from a URL, gone on with where it stopped, also by the next command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import typer

from resilient_client.cli import options as given
from resilient_client.cli.asked import ONE_DOWNLOAD, check_url, options_for, overrides_for, policy_for, way_for
from resilient_client.cli.bar import told_on_the_way
from resilient_client.cli.callers import of_file, of_its_own
from resilient_client.cli.output import document, show_timeline
from resilient_client.cli.terminal import safe
from resilient_client.cli.usage import told_as_usage, wrong
from resilient_client.result import Result
from resilient_client.transfers.part import note_of, part_of


def download(
    target: given.FileTarget = None,
    *,
    policies: given.FilePolicies = None,
    digest: given.FileDigest = None,
    overwrite: given.FileOverwrite = True,
    header: given.Header = None,
    user: given.User = None,
    total: given.FileTotal = None,
    attempt: given.FileAttempt = None,
    connect: given.Connect = None,
    max_attempts: given.FileMaxAttempts = None,
    redirects: given.FileRedirects = None,
    insecure: given.Insecure = False,
    cacert: given.CaCert = None,
    proxy: given.Proxy = None,
    uds: given.Uds = None,
    asynchronous: given.Asynchronous = False,
    http2: given.Http2 = False,
    as_json: given.AsJson = False,
) -> None:
    """Get a file, or the rest of one that broke off.

    Exits with 0 for a success, 1 for a failure, 2 for wrong usage, 130 when interrupted.
    """
    names, url, path = _positionals(target or [], from_file=policies is not None)
    if policies is None or "://" in url:
        check_url(url)
    if http2 and not asynchronous:
        raise wrong("--http2", "HTTP/2 needs --async")
    options = options_for(header=header or [], user=user, data=None, json_body=None, key=None, expect=None)
    bounds = {"total": total, "attempt": attempt, "connect": connect}
    way = way_for(proxy=proxy, uds=uds, cacert=cacert, insecure=insecure, http2=http2)
    with told_as_usage(), _told_when_interrupted(path), told_on_the_way(path.name, quiet=as_json) as progress:
        if policies is None:
            caller = of_its_own({**way, "policy": policy_for(bounds, max_attempts, redirects, ONE_DOWNLOAD)})
        else:
            caller = of_file(policies, names[0], {**way, **overrides_for(bounds, max_attempts, redirects)})
        result = caller.use(
            lambda client: client.download(url, path, digest=digest, progress=progress, overwrite=overwrite, **options),
            asynchronous=asynchronous,
        )
    _tell(result, path, as_json=as_json)
    raise typer.Exit(0 if result else 1)


# Where it goes.


def _positionals(target: list[str], *, from_file: bool) -> tuple[list[str], str, Path]:
    """Return the client, if there is to be one, the URL, and the path of the file."""
    clients, wanted = (1, "CLIENT URL [PATH]") if from_file else (0, "URL [PATH]")
    if not clients < len(target) <= clients + 2:
        raise wrong(wanted, f"{len(target) or 'nothing'} {'was' if len(target) < 2 else 'were'} given; write {wanted}")
    names, url, *rest = target[:clients], *target[clients:]
    path = Path(*rest)
    return names, url, path / name_of(url) if path.is_dir() else path


def name_of(url: str) -> str:
    """Return the name of a file from the last part of a URL; a usage error when that is none to use unasked.

    What a server calls the file is not looked at: it is not the one to say where something is written.
    """
    name = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    if not name or name.startswith(".") or not name.isprintable() or not set(name).isdisjoint("/\\"):
        raise wrong("PATH", f"{name!r}, the last part of the URL, is no name to use unasked; give one after it")
    return name


# What is told.


def _tell(result: Result[Any], path: Path, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_document(result, path), indent=2) + "\n")
        return
    show_timeline(result)
    if result:
        file = result.value
        there = f", {file.resumed} of them from earlier attempts" if file.resumed else ""
        sys.stdout.write(f"{file.size} bytes in {safe(str(path))}{there}\n")
    elif result.sent and (left := _left(path)):
        sys.stdout.write(f"{left}\n")


def _document(result: Result[Any], path: Path) -> dict[str, Any]:
    """Return what `call` says of a result, and what came of the file; the keys are always there."""
    file: dict[str, Any] = dict.fromkeys(("path", "size", "resumed", "digest"))
    if result:
        file = {**asdict(result.value), "path": str(path)}
    return {**document(result, path if result else None), **file}


def _left(path: Path) -> str:
    """Return what there is for another command to go on with; empty when there is nothing."""
    part = part_of(path)
    if not part.is_file() or not note_of(path).is_file():
        return ""
    return f"{part.stat().st_size} bytes are in {safe(str(part))}; the same command goes on with them"


@contextmanager
def _told_when_interrupted(path: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted; {_left(path) or 'nothing is left to go on with'}\n")
        raise
