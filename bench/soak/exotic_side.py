"""The exotic far sides, in a process of their own: the paired server, on HTTP/1.1 and on HTTP/2, coming and going.

Run as `python -m bench.soak.exotic_side JOURNAL SEED`; says its two addresses and the file of the authority to trust.
"""

from __future__ import annotations

import random
import sys
import time

from bench.soak.journal import Journal
from resilient_client.testing import FaultServer, steps
from resilient_client.testing.script import GoAway

LAST_OF_ALL = 2**31 - 1


def leave_in_good_order(request):
    """Say on HTTP/2 that this connection takes no more, and answer what it took."""
    yield GoAway(LAST_OF_ALL)
    yield from steps.ok()(request)


PLAYS = {
    "ok": steps.ok(),
    "echo": steps.echo(),
    "late": steps.ok(after=0.05),
    "hang": steps.hang(),
    "drip-head": steps.drip_head(0.5),
    "drip-body": steps.drip_body(0.5),
    "close": steps.close(),
    "reset": steps.reset(),
    "short": steps.short_body(),
    "reset-in-body": steps.reset_in_body(),
    "last": steps.last_answer(steps.ok()),
    "garbage": steps.garbage(),
    "http09": steps.http09(),
    "bad-chunk": steps.bad_chunk(),
    "contradiction": steps.contradicting_lengths(),
    "both": steps.length_and_chunked(),
    "second": steps.second_answer(),
    "huge-headers": steps.huge_headers(),
    "gzip": steps.gzipped(),
    "cut-gzip": steps.cut_gzip(),
    "two-members": steps.two_gzip_members(),
    "wrong-coding": steps.wrong_encoding(),
    "bomb": steps.gzip_bomb(4 * 1024 * 1024),
    "events": steps.event_lines(["data: one", "", "data: two", ""], every=0.01),
}
ON_HTTP2 = {
    **{name: PLAYS[name] for name in ("ok", "echo", "late", "hang", "drip-body", "reset", "gzip", "bomb", "events")},
    "leaving": leave_in_good_order,
    "refused": steps.refused_stream(),
}
UNSEEN = ("refused",)
"""What HTTP/2 calls not processed: the server says itself that it has not seen the request (RFC 9113, section 8.7)."""


def counted(step, journal: Journal):
    """Return `step`, which enters the call that it answers."""

    def play(request):
        journal.saw(int(request.target.rpartition("=")[2]))
        yield from step(request)

    return play


def main(path: str, seed: int) -> None:
    journal, draw = Journal(path), random.Random(seed)
    with FaultServer(strict=False) as first, FaultServer(strict=False, http2=True) as second:
        for server, plays in ((first, PLAYS), (second, ON_HTTP2)):
            for name, step in plays.items():
                server.on(f"/{name}", step if name in UNSEEN else counted(step, journal))
        print(first.url, second.url, second.authority_file(), flush=True)
        while True:
            time.sleep(0.5)
            server = draw.choice((first, second))
            server.journal.clear()
            if draw.random() < 0.1:
                server.down()
                time.sleep(0.2)
                server.up()
            else:
                server.close_idle()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
