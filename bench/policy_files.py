"""What a policy file of 200 clients and 1,000 routes costs: to load, to explain, and in memory; it grows in line."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path
from statistics import median
from time import process_time

from bench.report import Table, number
from resilient_client import load_policies


def text(clients: int, routes: int) -> str:
    """Return a file in which every client extends a preset and has as many routes as the others."""
    parts = ["[presets.careful]\nretry = { max_attempts = 2 }\n"]
    for client in range(clients):
        parts.append(
            f'[clients.c{client}]\nextends = "careful"\nbase_url = "https://s{client}.internal"\n'
            'timeouts = { connect = "500ms", attempt = "2s", total = "5s" }\n'
        )
        parts += [
            f'[[clients.c{client}.routes]]\nmatch = "GET /a{route}/{{id}}"\nretry = {{ max_attempts = 1 }}\n'
            for route in range(routes // clients)
        ]
    return "".join(parts)


def of_size(clients: int, routes: int) -> tuple[float, float, float]:
    """Return milliseconds to load and check, milliseconds to explain one client, and kilobytes kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "services.toml"
        path.write_text(text(clients, routes))
        load_policies(path, environment={})  # pydantic's import and the built-in presets are paid once
        loading, explaining = [], []
        for _ in range(5):
            start = process_time()
            policies = load_policies(path, environment={})
            loading.append(process_time() - start)
            start = process_time()
            str(policies.explain("c0", "GET", "/a0/7"))
            explaining.append(process_time() - start)
        tracemalloc.start()
        policies = load_policies(path, environment={})
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(policies.names) == clients
    return median(loading) * 1e3, median(explaining) * 1e3, kept / 1024


def measure() -> dict[str, float]:
    """Return the figures of two sizes; the ratios tell whether they grow in line."""
    half, whole = of_size(100, 500), of_size(200, 1000)
    return {
        "loading 200 clients, 1,000 routes, ms": whole[0],
        "explaining one of them (finds the lines), ms": whole[1],
        "memory, KiB": whole[2],
        "loading, ratio to half as many": whole[0] / half[0],
        "memory, ratio to half as many": whole[2] / half[2],
    }


def tables(found: dict[str, float]) -> list[Table]:
    return [
        Table("Policy files", ("", ""), [(name, number(value, 2)) for name, value in found.items()], "policy-files")
    ]


if __name__ == "__main__":
    print(*(table.text() for table in tables(measure())), sep="\n")
