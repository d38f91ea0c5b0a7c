"""The dashboard asks for what there is: each of its queries has an answer from a real Prometheus."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from observability.recording import eventually

from docs.observability import make_dashboard
from docs.observability.make_dashboard import CLIENT

COMMITTED = json.loads(make_dashboard.FILE.read_text(encoding="utf-8"))
PANELS = [panel for panel in COMMITTED["panels"] if panel["type"] != "row"]
QUERIES = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in PANELS
    for target in panel["targets"]
]


def as_asked(expr, client=".*"):
    """What Grafana sends for a query."""
    for variable, value in {"$__rate_interval": "2s", "$job": "shop", "$client": client}.items():
        expr = expr.replace(variable, value)
    assert "$" not in expr
    return expr


def query(title, place=0):
    (panel,) = [panel for panel in PANELS if panel["title"] == title]
    return as_asked(panel["targets"][place]["expr"])


def numbers(series):
    return [float(value) for _, value in series["values"] if value != "NaN"]


def by_client(found):
    return {one["metric"][CLIENT]: numbers(one) for one in found}


# What is in the file.


def test_the_committed_dashboard_is_current():
    committed = make_dashboard.FILE.read_text(encoding="utf-8")
    assert committed == make_dashboard.text(), f"dashboard.json is out of date; run: {make_dashboard.COMMAND}"


def test_panels_have_their_own_ids_and_a_sentence_about_them():
    assert len({panel["id"] for panel in COMMITTED["panels"]}) == len(COMMITTED["panels"])
    assert all(panel["description"].endswith(".") for panel in PANELS)


def test_panels_do_not_overlap_and_stay_on_the_grid():
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in COMMITTED["panels"])
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_every_query_goes_to_the_chosen_data_source():
    assert {json.dumps(target["datasource"]) for panel in PANELS for target in panel["targets"]} == {
        json.dumps({"type": "prometheus", "uid": "${datasource}"})
    }


# What Prometheus says.


@pytest.mark.parametrize("expr", QUERIES)
def test_a_query_has_data(incident, expr):
    assert incident.series(as_asked(expr))


@pytest.mark.parametrize("expr", QUERIES)
def test_a_query_is_about_the_chosen_client(incident, expr):
    found = incident.series(as_asked(expr, client="payments"))
    assert found
    for one in found:
        told = one["metric"]
        assert told.get(CLIENT, "payments") == "payments"
        assert told.get("server_address", "127.0.0.1") == "127.0.0.1"
        assert CLIENT in told or "server_address" in told


@pytest.mark.parametrize(("name", "values"), [("job", ["shop"]), ("client", ["payments", "search"])])
def test_a_variable_offers_what_there_is(incident, name, values):
    (variable,) = [one for one in COMMITTED["templating"]["list"] if one["name"] == name]
    selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
    assert incident.get(f"label/{label}/values", **{"match[]": as_asked(selector)}) == values


def test_every_metric_that_is_exported_is_on_the_dashboard(incident):
    names = incident.get("label/__name__/values", **{"match[]": '{otel_scope_name="resilient_client"}'})
    ours = {re.sub("_(bucket|count|sum)$", "", name) for name in names}
    asked = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    assert len(ours) == 15
    assert [name for name in sorted(ours) if name not in asked] == []


def test_it_tells_the_incident(incident):
    successes = by_client(incident.series(query("Success ratio")))
    saved = by_client(incident.series(query("Calls saved by retries")))
    budgets = by_client(incident.series(query("Retry budget available")))
    states = by_client(incident.series(query("Circuits over time")))
    full = by_client(incident.series(query("Fullest bulkhead")))
    for client, worst in (("payments", 2), ("search", 3)):
        assert successes[client][0] == 1
        assert min(successes[client]) < 0.2
        assert max(saved[client]) > 0.1
        assert min(budgets[client]) < 1 < max(budgets[client])
        assert max(states[client]) == worst
        assert states[client][0] == 0
        assert max(full[client]) == 1


def test_it_shows_the_first_change_of_a_circuit(incident):
    found = {(one["metric"][CLIENT], one["metric"]["state"]): max(numbers(one)) for one in changes(incident)}
    assert found["search", "isolated"] >= 1
    assert found["payments", "open"] >= 1


def changes(incident):
    return incident.series(query("Changes of circuits"))


def test_it_tells_that_all_is_over(incident):
    def closed():
        rows = incident.now(query("Circuits now"))
        return {row["metric"][CLIENT]: row["metric"]["state"] for row in rows}

    eventually(lambda: closed() == {"payments": "closed", "search": "closed"}, "closed circuits")
