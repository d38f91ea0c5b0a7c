"""The alerts fire in an incident, in a real Prometheus, and each of them has a test by promtool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from observability.recording import CONFIG, RULES, eventually, program, scaled

FOLDER = RULES.parent
ALERTS = {rule["alert"]: rule for rule in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]}

NOT_IN_THIS_INCIDENT = {"ResilientClientCircuitFlapping"}
AFTERWARDS = {"ResilientClientSilent"}


def promtool(*arguments, folder=FOLDER):
    done = subprocess.run([program("promtool"), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fired(incident):
    """When each alert was firing."""
    found = {}
    for one in incident.series('ALERTS{alertstate="firing"}'):
        found.setdefault(one["metric"]["alertname"], []).extend(at for at, _ in one["values"])
    return found


def test_promtool_finds_nothing_wrong_with_the_rules():
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", "alerts.yml")


def test_every_alert_does_what_its_tests_say():
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


def test_promtool_takes_the_configuration_that_these_tests_use(tmp_path):
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(rules=RULES, port=9464))
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_promtool_takes_the_configuration_that_the_page_shows(tmp_path):
    page = (FOLDER / "index.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    Path(tmp_path, "alerts.yml").write_text(RULES.read_text(encoding="utf-8"))
    Path(tmp_path, "prometheus.yml").write_text(shown)
    assert "1 rule files found" in promtool("check", "config", "prometheus.yml", folder=tmp_path)


def test_every_alert_is_tested_where_it_fires_and_where_it_does_not():
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == set(ALERTS)
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_tells_its_client_and_where_to_read_on(name):
    told = ALERTS[name]["annotations"]
    assert ALERTS[name]["labels"]["severity"] in {"critical", "warning"}
    assert "$labels.resilient_client_client_name" in told["summary"]
    assert "$labels.resilient_client_client_name" in told["description"]
    page, _, anchor = told["runbook_url"].rpartition("#")
    assert page.endswith("/observability/runbook.html")
    runbook = (FOLDER / "runbook.md").read_text(encoding="utf-8")
    assert f"\n### {name}\n" in runbook
    assert anchor == name.lower()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_what_there_is(incident, name):
    without_limits = re.sub(r"> [\d.]+", "", ALERTS[name]["expr"].partition("unless")[0])
    assert incident.series(scaled(without_limits))


def test_prometheus_evaluates_every_rule(incident):
    (group,) = incident.get("rules")["groups"]
    assert {rule["name"]: rule["health"] for rule in group["rules"]} == dict.fromkeys(ALERTS, "ok")


def test_the_incident_raises_every_alert_that_is_meant_for_it(incident):
    expected = set(ALERTS) - NOT_IN_THIS_INCIDENT
    eventually(lambda: expected <= set(fired(incident)), "alerts")


def test_nothing_fires_while_all_is_well(incident):
    early = [name for name, times in fired(incident).items() if min(times) < incident.phases["errors"]]
    assert early == []


def test_everything_falls_silent_when_it_is_over_but_that_nobody_calls(incident):
    def firing():
        return {alert["labels"]["alertname"] for alert in incident.get("alerts")["alerts"]}

    eventually(lambda: firing() <= AFTERWARDS, "the end of all alerts")
