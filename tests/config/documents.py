"""Policy files for tests: one that uses everything, ways to spoil one, and documents drawn at random."""

from __future__ import annotations

import random

from hypothesis import strategies as st

FULL = """
#:schema ./resilient-client.schema.json
[presets.careful]
extends = "critical-write"
retry = { max_attempts = 2 }

[presets.patient]
extends = "batch"
timeouts.total = "1m30s"
timeouts.attempt = 45

[clients.payments]
extends = "careful"
base_url = "https://payments.internal/api"
headers = { Authorization = "Bearer ${TOKEN}", X-Team = "checkout" }
timeouts = { connect = "500ms", attempt = "2s", total = "5s", header = "X-Deadline" }
breaker = { failure_ratio = 0.5, min_calls = 20, window = "30s", open_for = "5s", consecutive = 7 }
bulkhead = { max_concurrent = 64, max_waiting = 64 }
max_body = "10MiB"
redirects = 2

[clients.payments.retry.budget]
ratio = 0.2

[[clients.payments.routes]]
match = "POST /charges/{id}"
retry = { max_attempts = 1 }

[[clients.payments.routes]]
match = "GET /reports/{name:path}"
extends = "patient"
breaker = "off"

[clients."search engine"]
timeouts = { total = 1 }
retry = "off"
verify = false
cert = ["client.pem", "client.key"]
"""


class Spoiler:
    """Changes a text in one to four places, as editors, copies and cats do."""

    PIECES = (
        *('"', "'", "[", "]", "{", "}", "=", ".", ",", "#", "\n", "\t", " ", "\0", "\r", "\ufeff", "é", "\U0001f4a3"),
        *("off", "true", "-1", "0", "1e400", "1_000", "0x10", "nan", "inf", "9" * 400, "2026-11-24", '"""', "'''"),
        *("extends = 'careful'\n", "[[", "]]", "[clients]\n", "clients.a.b = 1\n", "[presets.careful]\n", "\\u0000"),
        *("timeouts = 3\n", "match = '/x'\n", "headers = {}\n", "\\", "${", "${A}", "[[clients.payments.routes]]\n"),
    )

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def spoil(self, text: str) -> bytes:
        for _ in range(self._random.randint(1, 4)):
            text = self._random.choice((self._insert, self._delete, self._repeat, self._swap, self._replace))(text)
        return self._encode(text)

    def _at(self, text: str) -> int:
        return self._random.randint(0, len(text))

    def _insert(self, text: str) -> str:
        at = self._at(text)
        return text[:at] + self._random.choice(self.PIECES) + text[at:]

    def _delete(self, text: str) -> str:
        at = self._at(text)
        return text[:at] + text[at + self._random.choice((1, 1, 2, 5, 40)) :]

    def _repeat(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        line = self._random.randrange(len(lines)) if lines else 0
        return "".join([*lines[:line], *lines[line : line + 1] * 2, *lines[line + 1 :]])

    def _swap(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        self_at = self._random.randrange(len(lines)) if lines else 0
        other = self._random.randrange(len(lines)) if lines else 0
        if lines:
            lines[self_at], lines[other] = lines[other], lines[self_at]
        return "".join(lines)

    def _replace(self, text: str) -> str:
        words = text.split(" ")
        words[self._random.randrange(len(words))] = self._random.choice(self.PIECES)
        return " ".join(words)

    def _encode(self, text: str) -> bytes:
        encoding = self._random.choice(("utf-8",) * 12 + ("utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"))
        return text.encode(encoding, errors="replace")


# Documents drawn at random, every one of them valid.


def seconds(low: float = 0.001, high: float = 1000.0) -> st.SearchStrategy[object]:
    whole = st.integers(1, 100_000).map(lambda ms: f"{ms}ms")
    return st.one_of(st.floats(low, high, allow_nan=False), whole, st.integers(1, 500))


def table(**keys: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=keys)


def or_off(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.one_of(strategy, st.just("off"))


SECTIONS = {
    "timeouts": table(connect=or_off(seconds()), read=seconds(), write=or_off(seconds()), header=st.just("X-Left")),
    "retry": or_off(
        table(
            max_attempts=st.integers(1, 20),
            wait_initial=st.floats(0, 0.5),
            factor=st.floats(1, 10),
            jitter=st.sampled_from(["full", "none"]),
            max_retry_after=seconds(),
            budget=or_off(table(ratio=st.floats(0, 1), burst=st.integers(0, 50), window=seconds())),
        )
    ),
    "breaker": or_off(
        table(
            failure_ratio=st.floats(0.01, 1),
            consecutive=st.integers(1, 9),
            window=seconds(1),
            slow=or_off(seconds()),
            key=st.sampled_from(["origin", "client", "route"]),
            probes=st.integers(1, 5),
        )
    ),
    "bulkhead": or_off(
        table(max_concurrent=st.integers(5, 500), max_waiting=st.integers(0, 500), max_wait=or_off(seconds()))
    ),
    "redirects": st.integers(0, 10),
    "max_body": st.one_of(st.integers(0, 10**12), st.integers(1, 5000).map(lambda n: f"{n}KiB")),
    "allow_private": st.booleans(),
}
NAMES = st.text(st.sampled_from("abcXYZ09-_ .é"), min_size=1, max_size=12)
TEMPLATES = ["GET /a", "POST /a/{x}", "/b/{x}/c", "PUT /d/{rest:path}", "GET /a/{x}/{y}", "DELETE /"]


def policies(**more: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return table(**SECTIONS, **more)


PRESETS = st.sampled_from(["standard", "interactive", "batch", "critical-write", "mine", "derived"])
ROUTES = st.lists(st.sampled_from(TEMPLATES), unique=True, max_size=4).flatmap(
    lambda chosen: st.tuples(*(policies(extends=PRESETS).map(lambda keys, t=t: {"match": t, **keys}) for t in chosen))
)
CLIENTS = policies(
    extends=PRESETS,
    base_url=st.sampled_from(["http://a", "https://b.example:8443/api"]),
    headers=st.just({"X-Team": "search", "Authorization": "Bearer ${TOKEN}"}),
    verify=st.booleans(),
    allow_other_origins=st.booleans(),
    routes=ROUTES.map(list),
)
DOCUMENTS = st.builds(
    lambda mine, derived, clients: {
        "presets": {"mine": mine, "derived": {"extends": "mine", **derived}},
        "clients": clients,
    },
    policies(),
    policies(),
    st.dictionaries(NAMES, CLIENTS, max_size=3),
)
