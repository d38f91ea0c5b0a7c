#!/usr/bin/env python3
"""Write docs/faults.md from the rows of tests/faults and what was observed of them.

`python docs/generate_faults.py` writes the page anew after a change of its words. After a change of a row or of the
client, `python docs/generate_faults.py --measure` first meets every fault on every wire, which takes a minute, and
writes what came of it to tests/faults/observed.json.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any, Final

DOCS: Final = Path(__file__).parent
TESTS: Final = DOCS.parent / "tests"
sys.path[:0] = [str(DOCS.parent), str(TESTS)]

from faults.expected import IDEMPOTENT, Expected  # noqa: E402 - the rows are not a part of the package
from faults.fault import LONGER, SHORT, Area, Fault  # noqa: E402
from faults.matrix import AREAS, rows  # noqa: E402
from faults.ways import WIRES, Way  # noqa: E402

PAGE: Final = DOCS / "faults.md"
OBSERVED: Final = TESTS / "faults" / "observed.json"
COMMAND: Final = "python docs/generate_faults.py"

Seen = dict[str, dict[str, dict[str, dict[str, Any]]]]
"""What was observed, by row, way and method."""

HEAD: Final = """\
# Faults

What a call comes to when something goes wrong: {count} faults, each met by a `Client` and an `AsyncClient` over real
sockets. Where a script is all that it takes, it is met in [virtual time](testing.md#virtual-time) as well. The rows are
tests; `{command}` writes this page from them and from what was observed.

| column | tells |
|---|---|
| comes to | the status of a success, or the [kind](results.md#kinds) of the failure and the status that it came with |
| GET | attempts of an idempotent request, PUT where there is a body, and [why there were no more][stopped] |
| POST | the same of a request that is not idempotent |
| sent | whether the server may have seen it |
| circuit | what each attempt counts as for the [breaker](policies/breaker.md#what-counts) |
| took | milliseconds of the first of these calls as measured: `Client`, `AsyncClient` |

[stopped]: results.md#why-it-stopped

The policy of all rows allows two attempts, without a pause between them. Where a row names a setting, that is what ends
the wait: after {short:g} ms, or {longer:g} ms where something else must come in that time. All other times are far
longer. *Perhaps* depends on which of two packets is faster.

After each row its test looks at what is left. There must be no permit, no place of a probe, no task, thread or
descriptor, and no connection but one that the next call uses. The result must survive pickling, and the same client
must then make a good call.
"""


def page() -> str:
    """Return the page."""
    seen: Seen = json.loads(OBSERVED.read_text(encoding="utf-8"))
    head = HEAD.format(count=len(rows()), command=COMMAND, short=SHORT * 1000, longer=LONGER * 1000)
    return "\n".join([head, *(_area(area, seen) for area in AREAS)]).rstrip() + "\n"


def _area(area: Area, seen: Seen) -> str:
    about = f"{area.about}\n\n" if area.about else ""
    lines = "".join(_line(fault, seen[fault.name]) for fault in area.rows)
    head = "| what goes wrong | comes to | GET | POST | sent | circuit | took |\n|---|---|---|---|---|---|---|\n"
    return f"## {area.title}\n\n{about}{head}{lines}"


def _line(fault: Fault, seen: dict[str, Any]) -> str:
    expected = fault.expected
    safe, unsafe = (_decision(fault, idempotent=idempotent) for idempotent in (True, False))
    sent = {True: "yes", False: "no", None: "perhaps"}[expected.sent] if expected.kind and not expected.raised else ""
    cells = (_what(fault), _outcome(expected), safe, unsafe, sent, _circuit(expected), _took(fault, seen))
    return f"| {' | '.join(cells)} |\n"


def _what(fault: Fault) -> str:
    return fault.what.replace("|", "\\|")


def _outcome(expected: Expected) -> str:
    if expected.kind is None:
        return str(expected.status)
    if expected.raised:
        return f"raises `{expected.kind}`"
    status = f" {expected.status}" if expected.status is not None else ""
    return f"`{expected.kind}`{status}"


def _decision(fault: Fault, *, idempotent: bool) -> str:
    methods = [method for method in fault.methods if (method in IDEMPOTENT) is idempotent]
    if not methods or fault.expected.raised:
        return ""
    attempts, stopped = fault.expected.decision(methods[0])
    return f"{attempts} `{stopped}`" if stopped else str(attempts)


def _circuit(expected: Expected) -> str:
    words = {"": "not asked", "ignored": "nothing", "rejected": "rejects it"}
    return words.get(expected.circuit, expected.circuit.replace("ignored", "nothing"))


def _took(fault: Fault, seen: dict[str, Any]) -> str:
    times = [seen[way.name][fault.methods[0]]["seconds"] * 1000 if way.name in seen else None for way in WIRES]
    if not any(times):
        return "in virtual time"
    return ", ".join("–" if one is None else f"{one:.1f}" if one < 10 else f"{one:.0f}" for one in times)  # noqa: RUF001


def measure() -> list[str]:
    """Meet every fault on every wire and write what was observed; return what was not as expected."""
    logging.disable(logging.CRITICAL)  # every row ends in a warning, as it should
    seen: Seen = {}
    problems: list[str] = []
    for fault in rows():
        seen[fault.name] = {}
        for way in WIRES:
            if way.meets(fault):
                seen[fault.name][way.name], found = _met(fault, way)
                problems += [f"{fault.what} {way.name}: {problem}" for problem in found]
    OBSERVED.write_text(json.dumps(seen, indent=1) + "\n", encoding="utf-8")
    return problems


def _met(fault: Fault, way: Way) -> tuple[dict[str, dict[str, Any]], list[str]]:
    from faults.child import met  # noqa: PLC0415 - what runs rows is not needed to write the page

    observed, problems = met(fault, way)
    return {method: one.as_dict() for method, one in observed.items()}, problems


if __name__ == "__main__":
    if "--measure" in sys.argv[1:] and (wrong := measure()):
        sys.exit("\n".join(wrong))
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} written\n")
