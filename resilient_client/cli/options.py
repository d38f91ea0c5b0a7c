"""The options of `call`, declared apart so that the command reads as what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from resilient_client.cli.completion import clients_of_call

Target: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="METHOD URL",
        help="GET, POST, ...; where to, in full: http://... or https://.... With --policies: CLIENT METHOD PATH.",
        show_default=False,
        autocompletion=clients_of_call,
    ),
]
Policies: TypeAlias = Annotated[
    Path | None,
    typer.Option("--policies", metavar="FILE", help="Call as a client of this policy file: CLIENT METHOD PATH."),
]

Header: TypeAlias = Annotated[
    list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header field; repeatable.")
]
User: TypeAlias = Annotated[str | None, typer.Option("--user", "-u", metavar="NAME:PASSWORD", help="Basic auth.")]
Data: TypeAlias = Annotated[
    str | None, typer.Option("--data", "-d", metavar="TEXT|@FILE", help="The body: text, a file, or @- for stdin.")
]
JsonBody: TypeAlias = Annotated[
    str | None, typer.Option("--json-body", metavar="TEXT|@FILE", help="The body as JSON, sent as it is written.")
]
IdempotencyKey: TypeAlias = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="Makes repeating safe, so that a POST is retried too."),
]
Expect: TypeAlias = Annotated[
    str | None,
    typer.Option("--expect", metavar="200,404", help="Which statuses are a success; by default all below 400."),
]

Total: TypeAlias = Annotated[
    float | None, typer.Option("--total", metavar="SECONDS", help="Bound on the whole call; by default 30.")
]
Attempt: TypeAlias = Annotated[
    float | None, typer.Option("--attempt", metavar="SECONDS", help="Bound on one attempt; by default 10.")
]
Connect: TypeAlias = Annotated[
    float | None, typer.Option("--connect", metavar="SECONDS", help="Bound on one connection; by default 2.")
]
MaxAttempts: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-attempts", metavar="N", help="How often to send at most, the first included; by default 3."),
]
Redirects: TypeAlias = Annotated[
    int | None, typer.Option("--redirects", metavar="N", help="Redirects to follow, at most 10; by default none.")
]

# What is different about a download.

FileTarget: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="URL [PATH]",
        help="What to get, in full: http://... or https://...; where to put it, by default here, named as the last "
        "part of the URL. With --policies: CLIENT URL [PATH].",
        show_default=False,
        autocompletion=clients_of_call,
    ),
]
FilePolicies: TypeAlias = Annotated[
    Path | None,
    typer.Option("--policies", metavar="FILE", help="Download as a client of this policy file: CLIENT URL [PATH]."),
]
FileDigest: TypeAlias = Annotated[
    str | None,
    typer.Option("--digest", metavar="ALGORITHM:HEX", help="What the file must have, such as sha256:9f86d0..."),
]
FileOverwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite/--no-overwrite", help="Whether a file that is there may be replaced.")
]
FileTotal: TypeAlias = Annotated[
    float | None, typer.Option("--total", metavar="SECONDS", help="Bound on the whole download; by default none.")
]
FileAttempt: TypeAlias = Annotated[
    float | None,
    typer.Option("--attempt", metavar="SECONDS", help="Bound on one attempt up to its first bytes; by default 10."),
]
FileMaxAttempts: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-attempts", metavar="N", help="How often to ask at most, the first included; by default 10."),
]
FileRedirects: TypeAlias = Annotated[
    int | None, typer.Option("--redirects", metavar="N", help="Redirects to follow, at most 10; by default 10.")
]

# How to get there.

Insecure: TypeAlias = Annotated[bool, typer.Option("--insecure", help="Do not check certificates.")]
CaCert: TypeAlias = Annotated[
    str | None, typer.Option("--cacert", metavar="FILE", help="Root certificates to trust in place of the usual ones.")
]
Proxy: TypeAlias = Annotated[str | None, typer.Option("--proxy", metavar="URL", help="An HTTP or SOCKS5 proxy.")]
Uds: TypeAlias = Annotated[str | None, typer.Option("--uds", metavar="PATH", help="A Unix socket to go through.")]
Asynchronous: TypeAlias = Annotated[bool, typer.Option("--async", help="Call with AsyncClient in place of Client.")]
Http2: TypeAlias = Annotated[bool, typer.Option("--http2", help="Offer HTTP/2 on https; needs --async.")]

Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the body to a file, not to stdout.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs.")]
