#!/usr/bin/env python3
"""Write docs/observability/dashboard.json, a Grafana dashboard in the classic JSON model.

Run it as `python docs/observability/make_dashboard.py` after a change here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parent / "dashboard.json"
COMMAND: Final = "python docs/observability/make_dashboard.py"

Json = dict[str, Any]

CLIENT: Final = "resilient_client_client_name"
CALLS: Final = "resilient_client_request_duration_seconds"
ATTEMPTS: Final = "http_client_request_duration_seconds"
RETRIED: Final = "resilient_client_request_retries"
PAUSES: Final = "resilient_client_request_retry_delay_seconds"
DECISIONS: Final = "resilient_client_retry_decisions_total"
BUDGET: Final = "resilient_client_retry_budget_available"
STATE: Final = "resilient_client_circuit_breaker_state"
TRANSITIONS: Final = "resilient_client_circuit_breaker_transitions_total"
COUNTED: Final = "resilient_client_circuit_breaker_calls_total"
BULKHEAD: Final = "resilient_client_bulkhead"
TIMEOUTS: Final = "resilient_client_timeouts_total"

CHOSEN: Final = f'job=~"$job",{CLIENT}=~"$client"'
WINDOW: Final = "$__rate_interval"
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
NAMED: Final = f"{{{{{CLIENT}}}}}"

COLOURS: Final = {"closed": "green", "half-open": "yellow", "open": "red", "isolated": "purple"}
STATES: Final = tuple(COLOURS)
"""The number of a state on the time line is its place here; the worst of all processes is shown."""


@dataclass(frozen=True)
class Panel:
    """What a panel asks and how it is drawn."""

    title: str
    about: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    custom: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)


# The queries.


def chosen(metric: str, more: str = "") -> str:
    """Return a selector of the chosen clients' series."""
    return f"{metric}{{{CHOSEN}{',' if more else ''}{more}}}"


def rate(metric: str, by: str, more: str = "") -> str:
    """Return the events a second of the chosen clients, summed by labels."""
    return f"sum by ({by}) (rate({chosen(metric, more)}[{WINDOW}]))"


def share(part: str, whole: str) -> str:
    """Return one rate as a share of another; a part that never happened is 0, not missing."""
    return f"({part} or 0 * {whole}) / {whole}"


def quantiles(metric: str, by: str, legend: str, *shares: float) -> tuple[tuple[str, str], ...]:
    """Return a query for each quantile."""
    buckets = rate(f"{metric}_bucket", f"{by}, le")
    return tuple((f"histogram_quantile({one}, {buckets})", f"p{one * 100:g} {legend}") for one in shares)


def attempts(series: str, by: str, more: str = "") -> str:
    """Return the rate of requests on the wire to the servers that the chosen clients call.

    The metric is that of OpenTelemetry's conventions and does not name our client. Other instrumentations make one of
    the same name, which is told apart by its scope where scopes are labels.
    """
    selector = f'{ATTEMPTS}_{series}{{job=~"$job",otel_scope_name=~"resilient_client|"{"," if more else ""}{more}}}'
    theirs = f"on (job, instance, server_address) {chosen(f'{CALLS}_count')}"
    return f"sum by ({by}) (rate({selector}[{WINDOW}]) and {theirs})"


def attempt_quantiles(*shares: float) -> tuple[tuple[str, str], ...]:
    """Return a query for each quantile of the attempts."""
    buckets = attempts("bucket", "server_address, le")
    return tuple((f"histogram_quantile({one}, {buckets})", f"p{one * 100:g} {{{{server_address}}}}") for one in shares)


def changes() -> str:
    """Return how often circuits changed; a counter that is new has counted from nothing, which no increase shows."""
    counter = chosen(TRANSITIONS)
    counted = f"{counter} unless {counter} offset {WINDOW} or increase({counter}[{WINDOW}])"
    return f"sum by ({CLIENT}, name, state) ({counted})"


def worst_state() -> str:
    """Return the state of each circuit as a number, the worst of all processes."""
    numbered = (f"{place} * " + chosen(STATE, f'state="{state}"') for place, state in enumerate(STATES))
    return f"max by ({CLIENT}, name) ({' or '.join(numbered)})"


def every_call() -> str:
    """Return the rate of calls that had a result."""
    return rate(f"{CALLS}_count", CLIENT, 'outcome!="cancelled"')


# The panels.


def calls_row() -> list[Panel]:
    """Return what callers get."""
    failed = rate(f"{CALLS}_count", CLIENT, 'outcome=~"http_error|error|rejected"')
    return [
        Panel(
            "Calls",
            "Calls that ended, by outcome. One call is what the program asked for once, whatever it took.",
            ((rate(f"{CALLS}_count", f"{CLIENT}, outcome"), f"{NAMED} {{{{outcome}}}}"),),
            "reqps",
            custom={"fillOpacity": 30, "stacking": {"mode": "normal", "group": "A"}},
        ),
        Panel(
            "Success ratio",
            "Share of calls that succeeded, retries included. Cancelled calls are left out.",
            ((f"1 - {share(failed, every_call())}", NAMED),),
            "percentunit",
            defaults={"min": 0, "max": 1},
        ),
        Panel(
            "Duration of calls",
            "What callers wait: queueing, attempts and pauses together. The highest bucket begins at 10 s.",
            quantiles(f"{CALLS}", CLIENT, NAMED, 0.5, 0.95, 0.99),
            "s",
        ),
        Panel(
            "Failed calls by kind",
            "The kind of failure that ended the call.",
            ((rate(f"{CALLS}_count", f"{CLIENT}, error_type", 'error_type!=""'), f"{NAMED} {{{{error_type}}}}"),),
            "reqps",
            width=24,
        ),
    ]


def attempts_row() -> list[Panel]:
    """Return what servers get."""
    by_call = f"sum by (server_address) (rate({chosen(f'{CALLS}_count')}[{WINDOW}]))"
    return [
        Panel(
            "Attempts",
            "Requests on the wire by status, redirects included. No status: there was no answer.",
            (
                (
                    attempts("count", "server_address, http_response_status_code"),
                    "{{server_address}} {{http_response_status_code}}",
                ),
            ),
            "reqps",
            width=6,
            custom={"fillOpacity": 30, "stacking": {"mode": "normal", "group": "A"}},
        ),
        Panel(
            "Failed attempts by error",
            "Statuses of 400 and above, and what ended an attempt without an answer.",
            ((attempts("count", "server_address, error_type", 'error_type!=""'), "{{server_address}} {{error_type}}"),),
            "reqps",
            width=6,
        ),
        Panel(
            "Duration of attempts",
            "One request and its answer, without queueing and pauses.",
            attempt_quantiles(0.5, 0.95, 0.99),
            "s",
            width=6,
        ),
        Panel(
            "Attempts per call",
            "Above 1: retries and redirects. Below 1: calls that were rejected here.",
            ((f"{attempts('count', 'server_address')} / {by_call}", "{{server_address}}"),),
            width=6,
        ),
    ]


def retries_row() -> list[Panel]:
    """Return what retries do, and what they cost."""
    saved = rate(f"{RETRIED}_count", CLIENT, 'outcome="success"')
    return [
        Panel(
            "Retries by reason",
            "Attempts that were scheduled after a failed one, by the kind of that failure.",
            ((rate(DECISIONS, f"{CLIENT}, reason", 'decision="scheduled"'), f"{NAMED} {{{{reason}}}}"),),
            "reqps",
        ),
        Panel(
            "Why nothing more was tried",
            "What ended the failed calls: no attempts left, no time left, not safe to repeat, no budget, rejected.",
            ((rate(DECISIONS, f"{CLIENT}, decision", 'decision!="scheduled"'), f"{NAMED} {{{{decision}}}}"),),
            "reqps",
        ),
        Panel(
            "Pauses before retries",
            "Backoff and Retry-After.",
            quantiles(PAUSES, CLIENT, NAMED, 0.5, 0.95),
            "s",
        ),
        Panel(
            "Calls saved by retries",
            "Share of all calls that succeeded and would have failed without a retry.",
            ((share(saved, every_call()), NAMED),),
            "percentunit",
            width=12,
            defaults={"min": 0},
        ),
        Panel(
            "Retry budget available",
            "Tokens left in the process that has the fewest. Below 1 nothing is retried.",
            ((f"min by ({CLIENT}) ({chosen(BUDGET)})", NAMED),),
            width=12,
            defaults={"min": 0},
            custom={"lineInterpolation": "stepAfter"},
        ),
    ]


def circuits_row() -> list[Panel]:
    """Return what the circuits say."""
    return [
        Panel(
            "Circuits now",
            "In how many processes a circuit is in which state.",
            ((f"sum by ({CLIENT}, name, state) ({chosen(STATE)}) > 0", ""),),
            kind="table",
            width=12,
        ),
        Panel(
            "Circuits over time",
            "The worst state that a circuit is in, in any process.",
            ((worst_state(), f"{NAMED} {{{{name}}}}"),),
            kind="state-timeline",
            width=12,
        ),
        Panel(
            "Changes of circuits",
            "By the state they went to.",
            ((changes(), f"{NAMED} {{{{name}}}} {{{{state}}}}"),),
            custom={"drawStyle": "bars", "fillOpacity": 60},
        ),
        Panel(
            "What circuits counted",
            "Attempts that were let through, by how they ended. Ignored: it says nothing about the server.",
            ((rate(COUNTED, f"{CLIENT}, outcome", 'outcome!="rejected"'), f"{NAMED} {{{{outcome}}}}"),),
            "reqps",
        ),
        Panel(
            "Rejected by circuits",
            "Attempts that were refused here. Nothing was sent.",
            ((rate(COUNTED, f"{CLIENT}, name", 'outcome="rejected"'), f"{NAMED} {{{{name}}}}"),),
            "reqps",
        ),
    ]


def bulkhead_row() -> list[Panel]:
    """Return how full it is."""
    usage, limit = chosen(f"{BULKHEAD}_usage"), chosen(f"{BULKHEAD}_limit")
    return [
        Panel(
            "On the wire",
            "Attempts on the wire and how many there may be, all processes together. Routes may have their own.",
            (
                (f"sum by ({CLIENT}, name) ({usage})", "{{name}} in use"),
                (f"sum by ({CLIENT}, name) ({limit})", "{{name}} limit"),
            ),
            width=6,
            defaults={"min": 0},
        ),
        Panel(
            "Fullest bulkhead",
            "Share of the permits that is in use, in the process with the highest.",
            ((f"max by ({CLIENT}, name) ({usage} / {limit})", "{{name}}"),),
            "percentunit",
            width=6,
            defaults={"min": 0, "max": 1},
        ),
        Panel(
            "Waiting for a permit",
            "Callers in the queue, all processes together.",
            ((f"sum by ({CLIENT}, name) ({chosen(f'{BULKHEAD}_queued')})", "{{name}}"),),
            width=6,
            defaults={"min": 0},
        ),
        Panel(
            "Rejected by bulkheads",
            "Callers that found the queue full, or waited in it for too long.",
            ((rate(f"{BULKHEAD}_rejections_total", CLIENT), NAMED),),
            "reqps",
            width=6,
        ),
        Panel(
            "Waits for a permit",
            "Of those who had to wait.",
            quantiles(f"{BULKHEAD}_wait_duration_seconds", CLIENT, NAMED, 0.5, 0.99),
            "s",
            width=24,
        ),
    ]


def timeouts_row() -> list[Panel]:
    """Return which limits of time were reached."""
    out_of_time = rate(DECISIONS, CLIENT, 'decision="deadline"')
    return [
        Panel(
            "Timeouts by scope",
            "Attempts that a timeout ended. The scope is the key of `timeouts` in the policy.",
            ((rate(TIMEOUTS, f"{CLIENT}, scope"), f"{NAMED} {{{{scope}}}}"),),
            "reqps",
            width=12,
        ),
        Panel(
            "Calls that ran out of time",
            "Share of the calls that ended because no time was left, on the wire, in the queue or to try again.",
            ((share(out_of_time, every_call()), NAMED),),
            "percentunit",
            width=12,
            defaults={"min": 0},
        ),
    ]


ROWS: Final = {
    "Calls": calls_row,
    "Attempts": attempts_row,
    "Retries": retries_row,
    "Circuits": circuits_row,
    "Bulkhead": bulkhead_row,
    "Timeouts": timeouts_row,
}


# The JSON of it.


def target(panel: Panel, place: int, expr: str, legend: str) -> Json:
    """Return one query of a panel."""
    table = panel.kind == "table"
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": expr,
        "format": "table" if table else "time_series",
        "instant": table,
        "legendFormat": legend or "__auto",
        "range": not table,
        "refId": "ABCDEFGH"[place],
    }


def drawn(panel: Panel) -> Json:
    """Return the part of a panel that depends on its kind."""
    if panel.kind == "table":
        return table()
    if panel.kind == "state-timeline":
        return state_timeline()
    custom = {"drawStyle": "line", "fillOpacity": 8, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
    return {
        "fieldConfig": {
            "defaults": {
                "color": {"mode": "palette-classic"},
                "custom": custom | panel.custom,
                "unit": panel.unit,
                **panel.defaults,
            },
            "overrides": [],
        },
        "options": {
            "legend": {"calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def table() -> Json:
    """Return a table of circuits with a coloured state."""
    colours = {state: {"color": colour, "index": place} for place, (state, colour) in enumerate(COLOURS.items())}
    of_state = [
        {"id": "mappings", "value": [{"type": "value", "options": colours}]},
        {"id": "custom.cellOptions", "value": {"type": "color-text"}},
    ]
    columns = {CLIENT: "client", "name": "circuit", "state": "state", "Value": "processes"}
    organize = {"excludeByName": {"Time": True}, "indexByName": dict(zip(columns, range(4), strict=True))}
    return {
        "fieldConfig": {
            "defaults": {"custom": {"align": "left", "cellOptions": {"type": "auto"}, "filterable": True}},
            "overrides": [{"matcher": {"id": "byName", "options": "state"}, "properties": of_state}],
        },
        "options": {"showHeader": True, "cellHeight": "sm"},
        "transformations": [{"id": "organize", "options": {**organize, "renameByName": columns}}],
    }


def state_timeline() -> Json:
    """Return a band per circuit, coloured by its state."""
    options = {
        str(place): {"color": COLOURS[state], "index": place, "text": state} for place, state in enumerate(STATES)
    }
    return {
        "fieldConfig": {
            "defaults": {
                "color": {"mode": "thresholds"},
                "custom": {"fillOpacity": 80, "lineWidth": 0},
                "mappings": [{"type": "value", "options": options}],
            },
            "overrides": [],
        },
        "options": {
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "mergeValues": True,
            "rowHeight": 0.8,
            "showValue": "never",
            "tooltip": {"mode": "single", "sort": "none"},
        },
    }


HEIGHT: Final = 8


def laid_out() -> list[Json]:
    """Return the rows and their panels, each with its place on the grid of 24 columns."""
    found: list[Json] = []
    top = 0
    for title, row in ROWS.items():
        place = {"h": 1, "w": 24, "x": 0, "y": top}
        found.append({"collapsed": False, "gridPos": place, "panels": [], "title": title, "type": "row"})
        left, top = 0, top + 1
        for panel in row():
            if left + panel.width > 24:
                left, top = 0, top + HEIGHT
            found.append(panel_json(panel, {"h": HEIGHT, "w": panel.width, "x": left, "y": top}))
            left += panel.width
        top += HEIGHT
    return [{"id": number, **one} for number, one in enumerate(found, start=1)]


def panel_json(panel: Panel, place: Json) -> Json:
    """Return one panel."""
    return {
        "datasource": SOURCE,
        "description": panel.about,
        "gridPos": place,
        "targets": [target(panel, number, *query) for number, query in enumerate(panel.queries)],
        "title": panel.title,
        "type": panel.kind,
        **drawn(panel),
    }


def chooser(name: str, label: str, selector: str) -> Json:
    """Return a variable whose values are those of a label."""
    query = f"label_values({selector}, {name})"
    return {
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "definition": query,
        "includeAll": True,
        "label": label,
        "multi": True,
        "name": label,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2,
        "sort": 1,
        "type": "query",
    }


def variables() -> list[Json]:
    """Return what can be chosen at the top."""
    return [
        {
            "current": {},
            "label": "data source",
            "name": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "regex": "",
            "type": "datasource",
        },
        chooser("job", "job", f"{CALLS}_count"),
        chooser(CLIENT, "client", f'{CALLS}_count{{job=~"$job"}}'),
    ]


def dashboard() -> Json:
    """Return the dashboard."""
    return {
        "annotations": {"list": []},
        "description": "What resilient clients do for their callers and to their servers.",
        "editable": True,
        "graphTooltip": 1,
        "links": [],
        "panels": laid_out(),
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["resilient-client"],
        "templating": {"list": variables()},
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "title": "Resilient clients",
        "uid": "resilient-client",
        "version": 1,
    }


def text() -> str:
    """Return the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{FILE.name} written\n")
