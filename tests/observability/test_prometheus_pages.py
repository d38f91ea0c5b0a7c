"""What the pages for operators show is so: queries, commands, set-ups, tables."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from observability.recording import PATIENCE, eventually

import resilient_client.telemetry.logs
from docs.observability.make_dashboard import CLIENT
from resilient_client.cli import app
from resilient_client.result import StopReason

DOCS = Path(__file__).parents[2] / "docs"
RUNBOOK = (DOCS / "observability" / "runbook.md").read_text(encoding="utf-8")
INDEX = (DOCS / "observability" / "index.md").read_text(encoding="utf-8")

OURS_IN_DEMO = {"payments.internal": "127.0.0.1"}


def blocks(page, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)


def rows(page):
    return re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE)


def run_alone(code, **environment):
    """Run a set-up in a process of its own: what it sets holds for a whole process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


# The runbook.


@pytest.mark.parametrize("query", blocks(RUNBOOK, "promql"))
def test_a_query_of_the_runbook_has_data(incident, query):
    for shown, real in OURS_IN_DEMO.items():
        query = query.replace(shown, real)
    assert incident.series(query)


COMMANDS = [line.strip() for block in blocks(RUNBOOK, "sh") for line in block.splitlines()]


@pytest.fixture
def services(tmp_path, monkeypatch):
    page = (DOCS / "policy-files.md").read_text(encoding="utf-8")
    (shown,) = [block for block in blocks(page, "toml") if block.startswith("#:schema")]
    (tmp_path / "services.toml").write_text(shown)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAYMENTS_TOKEN", "test")


@pytest.mark.parametrize("command", [command for command in COMMANDS if " call " not in command])
def test_a_command_of_the_runbook_works(services, monkeypatch, capsys, command):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    assert app.run() == 0
    assert capsys.readouterr().out


def test_the_runbook_knows_every_metric(incident):
    names = incident.get("label/__name__/values", **{"match[]": '{otel_scope_name="resilient_client"}'})
    ours = {re.sub("_(bucket|count|sum)$", "", name) for name in names}
    assert ours <= set(rows(RUNBOOK))


def test_the_table_of_instruments_has_every_metric_with_its_labels(incident):
    table = re.findall(r"^\| `([\w.]+)` \| [^|]+ \| ([^|]+) \| `(\w+)` \|$", INDEX, re.MULTILINE)
    assert len(table) == 15
    for _, attributes, name in table:
        told = {"name", CLIENT} if "client, " in attributes or attributes == "client" else set()
        told |= {"server_address"} if "server" in attributes else set()
        told |= {one.replace(".", "_") for one in re.findall(r"`([\w.]+)`", attributes)}
        found = incident.now(f'{{__name__=~"{name}(_count)?"}}')
        labels = {label for one in found for label in one["metric"]}
        standard = {"__name__", "job", "instance", "name"}
        assert {label for label in labels - standard if not label.startswith("otel_scope")} == told - standard, name


def test_the_runbook_knows_every_log_line():
    source = Path(resilient_client.telemetry.logs.__file__).read_text(encoding="utf-8")
    events = set(re.findall(r'"((?:retry|call|breaker|bulkhead|config)\.\w+)"', source))
    assert len(events) == 9
    assert events <= set(rows(RUNBOOK))


def test_the_runbook_knows_every_decision():
    assert {"scheduled", *map(str, StopReason)} <= set(rows(RUNBOOK))


# The set-ups.


SETUPS = {block for block in blocks(INDEX, "py") if "set_meter_provider" in block}
CALL = next(block for block in blocks(INDEX, "py") if "VirtualWorld" in block)
WORLD, GET = CALL.strip().rsplit("\n", 1)
LOGGED = re.findall(r"^```py\n((?:(?!^```).)*?)^```\n\n```text\n(.*?)^```$", INDEX, re.MULTILINE | re.DOTALL)


def test_prometheus_is_set_up_as_the_page_says():
    (setup,) = [block for block in SETUPS if "Prometheus" in block]
    assert "start_http_server(9464)" in setup
    served = setup.replace("start_http_server(9464)", "server, _ = start_http_server(0, '127.0.0.1')")
    scrape = """
import urllib.request
print(urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics").read().decode())
"""
    out = run_alone(served + CALL + scrape)
    assert re.search(
        r'^resilient_client_request_duration_seconds_count\{.*client_name="payments".*\} 1\.0$', out, re.MULTILINE
    )


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP and remembers where it came."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked.add(self.path)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.asked = set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_otlp_is_set_up_as_the_page_says(collector):
    (setup,) = [block for block in SETUPS if "OTLP" in block]
    run_alone(setup + CALL, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    eventually(lambda: collector.asked == {"/v1/traces", "/v1/metrics"}, "spans and metrics")


def test_an_application_that_configured_no_logging_prints_nothing():
    assert run_alone(CALL) == ""


@pytest.mark.parametrize(("setup", "shown"), LOGGED, ids=["stdlib", "structlog", "both", "capture_logs"])
def test_a_way_to_log_prints_what_the_page_shows(setup, shown):
    code = f"{WORLD}\n{setup}" if "payments.get" in setup else f"{setup}\n{WORLD}\n{GET}"
    assert run_alone(code) == shown


# The picture.


def test_the_picture_is_small_and_shown():
    picture = DOCS / "observability" / "incident.svg"
    assert picture.stat().st_size < 150_000
    assert f"({picture.name})" in INDEX
