"""What the other wires make of the rows that they do not meet as the default one does, and why: by the rows' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Reasons = Mapping[str, tuple[str, ...]]


def by_row(reasons: Reasons) -> dict[str, str]:
    """The reason of each row."""
    return {row: why for why, rows in reasons.items() for row in rows}


def instead(*changes: tuple[str, Mapping[str, Any], tuple[str, ...]]) -> dict[str, Mapping[str, Any]]:
    """What is expected of rows in place of the default wire's, each with its reason first."""
    return {row: changed for _, changed, rows in changes for row in rows}


MAYBE_SENT: Final = (
    "The library does not say whether any of it was sent, so that it counts as sent, and a POST is not repeated.",
    {"sent": True},
)

SENT_ANYWAY: Final = (
    "the-body-raises-before-its-first-piece",
    "the-body-yields-what-is-no-bytes",
)

LATE_ALERT: Final = "the-server-wants-a-client-certificate-tls-1-3-it-has-hung-up-before-the-request-is-sent"

EARLY_ALERT: Final = "the-server-wants-a-client-certificate-tls-1-3-it-says-so-when-the-request-may-be-on-its-way"

SOCKS: Final = (
    "socks5-the-proxy-could-not-connect",
    "socks5-the-proxy-wants-a-password",
    "socks5-the-proxy-speaks-something-else",
    "socks5-the-proxy-hangs-connect",
)

AIOHTTP: Final = by_row(
    {
        "asyncio's TLS takes the end of a connection for the end of a body, with or without a close_notify": (
            "a-body-that-ends-with-the-connection-without-a-close-notify-perhaps-cut-by-an-attacker",
        ),
        "it depends on what came first whether the head of the answer is seen": (
            "bytes-inside-the-body-that-are-no-tls",
        ),
        "there is no write timeout; the attempt's limit ends it": ("the-server-takes-nothing-write",),
        "whether the alert is read or the reset comes first is chance": (
            LATE_ALERT,
            EARLY_ALERT,
        ),
        "it refuses no number of interim answers; the attempt's limit ends them": ("a-thousand-103-before-the-answer",),
        "it refuses an answer that says its length twice": ("two-content-length-that-agree",),
        "it refuses an answer with something behind it as a whole; nothing of that reaches the next caller": (
            "bytes-behind-the-answer-they-do-not-reach-the-next-caller",
            "a-204-with-a-body",
            "a-304-with-a-body",
            "an-answer-to-head-with-a-body",
        ),
        "it goes through http:// proxies only, and says so": SOCKS,
        "the connections of an event loop that is gone are closed when Python collects them": (
            "the-event-loop-of-earlier-calls-was-closed-with-a-connection-open",
        ),
    }
)

AIOHTTP_INSTEAD: Final = instead(
    (*MAYBE_SENT, SENT_ANYWAY),
    (
        "A chunk that is none, in what came with the head, is an error of the head: its status is lost.",
        {"status": None},
        (
            "the-size-of-a-chunk-is-no-number",
            "the-size-of-a-chunk-has-40-digits",
            "a-chunk-is-longer-than-its-size",
        ),
    ),
    (
        "The same in a stream: it has not begun, so that it is repeated.",
        {"status": None, "again": True},
        ("a-bad-chunk-in-mid-stream",),
    ),
    (
        "The second address is tried after a quarter of a second, whatever `connect` is (RFC 8305).",
        {"waits": 0.25},
        ("the-first-address-swallows-everything-the-second-gets-its-half-of-connect",),
    ),
)

_HTTPX2: Final = {
    "asyncio's TLS and Python's take the end of a connection for the end of a body": (
        "a-body-that-ends-with-the-connection-without-a-close-notify-perhaps-cut-by-an-attacker",
    ),
    "it takes the answer's first bytes for a head that did not end": (
        "the-greeting-of-another-protocol",
        "http-0-9-a-body-without-a-head",
    ),
    "it refuses no number of interim answers; the attempt's limit ends them": ("a-thousand-103-before-the-answer",),
    "the tunnel is no part of connecting there: `read` bounds it, and it counts as sent": (
        "the-proxy-hangs-before-the-tunnel-connect",
        "the-proxy-closes-before-the-tunnel",
        "the-proxy-resets-before-the-tunnel",
        "the-proxy-does-not-speak-http",
    ),
    "its SOCKS keeps no time limits, and is refused": SOCKS,
    "names are looked up in the calling thread, or in one of anyio's: not on ours": (
        "the-name-has-no-addresses",
        "no-thread-can-be-started-to-resolve-a-name",
    ),
}

HTTPX2: Final = by_row(
    {
        **_HTTPX2,
        "a lookup in the calling thread cannot be left": ("the-resolver-hangs-connect", "the-resolver-hangs-total"),
        "httpcore2 leaves the socket to the garbage collector": ("there-is-no-such-unix-socket",),
    }
)

HTTPX2_ASYNC: Final = by_row(
    {
        **_HTTPX2,
        "anyio races the addresses of a name": (
            "the-only-address-is-of-a-family-that-this-machine-does-not-have",
            "two-addresses-swallow-everything-together-they-have-the-time-of-connect",
            "the-first-address-swallows-everything-the-second-gets-its-half-of-connect",
        ),
        "anyio's TLS raises what httpcore2 does not know": ("bytes-inside-the-body-that-are-no-tls",),
        "it stops reading when it can write no more": (
            "the-server-answers-413-early-and-hangs-up",
            LATE_ALERT,
            EARLY_ALERT,
        ),
        "the connections of an event loop that is gone are closed when Python collects them": (
            "the-event-loop-of-earlier-calls-was-closed-with-a-connection-open",
        ),
    }
)

HTTPX2_INSTEAD: Final = instead((*MAYBE_SENT, (*SENT_ANYWAY, LATE_ALERT)))

_PYREQWEST: Final = {
    "names are looked up in Rust, where no test can answer": (
        "the-name-does-not-exist",
        "the-name-service-does-not-know-at-the-moment",
        "the-name-has-no-addresses",
        "the-name-has-no-address-of-a-family-that-is-asked-for",
        "the-only-address-is-of-a-family-that-this-machine-does-not-have",
        "the-first-address-is-of-a-family-that-this-machine-does-not-have-the-second-is-good",
        "the-resolver-hangs-connect",
        "the-resolver-hangs-total",
        "all-three-addresses-are-dead",
        "two-addresses-are-dead-the-third-is-good",
        "two-addresses-swallow-everything-together-they-have-the-time-of-connect",
        "the-first-address-swallows-everything-the-second-gets-its-half-of-connect",
        "no-thread-can-be-started-to-resolve-a-name",
        "the-task-is-cancelled-resolving-the-name",
        "ctrl-c-resolving-the-name",
    ),
    "sockets are made in Rust, where no test can fail them": (
        "the-other-side-resets-while-connecting",
        "no-local-port-is-free",
    ),
    "it has no unix sockets, and says so": ("there-is-no-such-unix-socket",),
    "where memory ends, Rust gives up its thread, and what waits for that may wait for ever": (
        "no-memory-for-the-body",
    ),
    "whether the head of the answer is seen is chance": ("bytes-inside-the-body-that-are-no-tls",),
    "there is no write timeout; the attempt's limit ends it": ("the-server-takes-nothing-write",),
    "it stops reading when it can write no more": ("the-server-answers-413-early-and-hangs-up",),
    "it waits for the body of a 101, which has none, until the attempt's limit": (
        "101-the-protocol-is-changed-without-having-been-asked",
    ),
    "it refuses no number of interim answers; the attempt's limit ends them": ("a-thousand-103-before-the-answer",),
    "a head may have 400 kB, of 100 fields": ("a-header-field-of-200-kb",),
    "it refuses folded fields": ("a-folded-header-field-obs-fold",),
    "it does not give away fields with such bytes: the answer is refused": ("bytes-beyond-ascii-in-a-header-field",),
    "its thread stays in the parent: the child's call fails at once, as local": (
        "the-process-forks-in-the-middle-of-a-call-the-child-calls-as-well",
    ),
    "whether its thread has heard of it by the time of the next request is chance": (
        "the-server-closed-an-idle-connection",
        "the-server-was-restarted-in-the-meantime",
    ),
    "its thread goes on while the event loop is blocked: the answer is in time": (
        "the-event-loop-is-blocked-for-longer-than-attempt",
    ),
}

PYREQWEST: Final = by_row(
    {
        **_PYREQWEST,
        "a first stream has a client made for it, which may take its 50 ms": ("no-permit-before-the-deadline",),
        "Ctrl-C is heard when the wait in Rust is over, at the attempt's limit": (
            "ctrl-c-connecting",
            "ctrl-c-in-the-tls-handshake",
            "ctrl-c-sending-the-body",
            "ctrl-c-waiting-for-the-answer",
            "ctrl-c-reading-the-body",
        ),
    }
)

PYREQWEST_ASYNC: Final = by_row(_PYREQWEST)

PYREQWEST_INSTEAD: Final = instead(
    (*MAYBE_SENT, (*SENT_ANYWAY, LATE_ALERT)),
    (
        "Which phase a time limit met is not told; but for the connect timeout, it counts as sent.",
        {"sent": True},
        (
            "everything-is-swallowed-attempt",
            "everything-is-swallowed-total",
            "the-handshake-stalls-total",
        ),
    ),
    (
        "The head comes with the first 64 KiB of the body: when those fail, its status is lost.",
        {"status": None},
        (
            "a-body-that-ends-with-the-connection-without-a-close-notify-perhaps-cut-by-an-attacker",
            "the-connection-is-cut-inside-a-body-with-a-length",
            "the-body-is-shorter-than-content-length",
            "the-connection-is-reset-inside-the-body",
            "the-size-of-a-chunk-is-no-number",
            "the-size-of-a-chunk-has-40-digits",
            "a-chunk-is-longer-than-its-size",
            "the-connection-is-closed-inside-a-chunk",
            "the-last-chunk-never-comes",
            "the-connection-is-reset-before-the-last-chunk",
            "the-body-drips-attempt",
            "the-body-drips-total",
            "a-pause-in-the-middle-of-the-body-read",
            "the-body-never-ends-and-comes-slowly-attempt",
            "the-proxy-dies-inside-the-body",
            "the-connection-is-closed-before-the-first-byte-of-the-body",
            "the-connection-is-reset-before-the-first-byte-of-the-body",
            "the-first-byte-of-the-body-does-not-come-read",
        ),
    ),
)
