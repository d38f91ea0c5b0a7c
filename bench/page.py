"""`python -m bench.page`: the documentation's page of results, and its figures, from the committed JSON.

A test holds the page to that JSON; the figures need matplotlib and are drawn only when this is run.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from bench import goals
from bench.__main__ import PARTS, RESULTS
from bench.report import Table

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = DOCS / "performance-results.md"
COMMAND: Final = "python -m bench.page"

HEAD: Final = f"""\
# Results

What `python -m bench --save` measured last. `{COMMAND}` writes this page from it. What the columns mean, and how it is
measured, is on the page [Performance](performance.md).

## Goals

{{goals}}
"""

SECTIONS: Final = {
    "compare": "Requests",
    "counters": "Calls per request",
    "layers": "The policies alone",
    "telemetry": "Telemetry",
    "scale": "Scale",
    "memory": "Memory",
    "imports": "Importing",
    "policy_files": "Policy files",
}

FIGURES: Final = {
    "compare": {
        "compare": "CPU per request of each contender",
        "throughput": "Requests per second of each contender",
    },
    "scale": {"scale": "CPU per call against what a process has"},
    "memory": {"memory": "Memory per call against calls in flight"},
}
"""By part, the names of its figures and what they show."""


def results() -> dict[str, Any]:
    """Return what is committed, by part."""
    paths = {name: RESULTS / f"{name}.json" for name in PARTS}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def page(found: dict[str, Any]) -> str:
    """Return the page."""
    parts = [
        HEAD.format(goals=goals.table(found).markdown()),
        *(_section(name, found[name]) for name in SECTIONS if name in found),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _section(name: str, found: dict[str, Any]) -> str:
    part: Any = import_module(f"bench.{name}")
    tables: list[Table] = part.tables(found)
    figures = [f"![{shows}]({path_of(figure)})\n" for figure, shows in FIGURES.get(name, {}).items()]
    lines = [f"## {SECTIONS[name]}\n", *figures, *([told] if (told := _measured_on(found)) else [])]
    for table in tables:
        lines += ([f"### {table.title}\n"] if len(tables) > 1 else []) + [table.markdown() + "\n"]
    notes: list[str] = part.notes(found) if hasattr(part, "notes") else []
    return "\n".join([*lines, *(f"- {note}" for note in notes), *([""] if notes else [])])


def path_of(figure: str) -> str:
    """Return where a figure is, as seen from the page."""
    return f"figures/performance-{figure}.svg"


def _measured_on(found: dict[str, Any]) -> str:
    machine = found.get("machine")
    if machine is None:
        return ""
    server = f", against {machine['server']}" if "server" in machine else ""
    settings = ", ".join(f"{name} {value}" for name, value in found.get("settings", {}).items())
    versions = ", ".join(f"{name} {value}" for name, value in found.get("versions", {}).items())
    where = f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}{server}"
    return f"{where}{f'; {settings}' if settings else ''}.{f' Versions: {versions}.' if versions else ''}\n"


if __name__ == "__main__":
    from bench import figures

    committed = results()
    PAGE.write_text(page(committed), encoding="utf-8")
    drawn = figures.draw(committed, DOCS / "figures")
    sys.stdout.write(f"{PAGE.name}, {', '.join(drawn)} written\n")
