"""The incident as a real Prometheus recorded it, asked through its HTTP API."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import programs

INCIDENT = Path(__file__).with_name("incident.py")
RULES = Path(__file__).parents[2] / "docs" / "observability" / "alerts.yml"
PATIENCE = 30.0

WINDOWS = {"5m": "2s", "10m": "2s", "30m": "2s", "1h": "3s"}
"""Lengths of time in rules, and what they are in an incident that lasts for seconds."""

CONFIG = """\
global:
  scrape_interval: 250ms
  scrape_timeout: 250ms
  evaluation_interval: 250ms
rule_files: [{rules}]
scrape_configs:
  - job_name: shop
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""


def program(name: str) -> str:
    """Where a program of Prometheus is."""
    return programs.program(name, "apt-get install prometheus")


def eventually(ask: Callable[[], Any], what: str) -> Any:
    """The first true answer."""
    until = time.monotonic() + PATIENCE
    while not (answer := ask()):
        if time.monotonic() > until:
            raise AssertionError(f"waited {PATIENCE:g} s in vain for {what}")
        time.sleep(0.1)
    return answer


def scaled(text: str) -> str:
    """Rules or an expression as they are for an incident that lasts for seconds."""
    text = re.sub(r"\[(\d+[mh])\]", lambda match: f"[{WINDOWS[match[1]]}]", text)
    text = re.sub(r"offset (\d+[mh])", lambda match: f"offset {WINDOWS[match[1]]}", text)
    return re.sub(r"for: \w+", "for: 0s", text)


@dataclass
class Recording:
    """What Prometheus has recorded: of which phases, and where to ask for it."""

    url: str
    phases: dict[str, float] = field(default_factory=dict)

    def get(self, path: str, **query: object) -> Any:
        """Ask the HTTP API."""
        encoded = urllib.parse.urlencode(query, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{encoded}", timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            with refused:
                raise OSError(f"{query}: {refused.read().decode()}") from None

    def series(self, expr: str, step: float = 0.25) -> list[dict[str, Any]]:
        """What an expression was during the incident: series with a number in them somewhere."""
        start, end = min(self.phases.values()), time.time()
        found = self.get("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [one for one in found if any(value != "NaN" for _, value in one["values"])]

    def now(self, expr: str) -> list[dict[str, Any]]:
        return self.get("query", query=expr)["result"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _process(*command: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=errors, text=True)
    with process:
        try:
            yield process
        finally:
            process.terminate()


def _facts(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    line = process.stdout.readline()
    assert line, f"the incident ended early:\n{log.read_text()}"
    return json.loads(line)


@contextlib.contextmanager
def _prometheus(folder: Path, metrics_port: int) -> Iterator[Recording]:
    """Start one that scrapes the port; another process may take its own port first, then it is tried again."""
    rules = folder / "rules.yml"
    rules.write_text(scaled(RULES.read_text()))
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(rules=rules, port=metrics_port))
    for last_try in (False, False, True):
        port, log = _free_port(), folder / "prometheus.log"
        options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
        with _process(program("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}", log=log) as process:
            recording = Recording(f"http://127.0.0.1:{port}")
            eventually(lambda: process.poll() is not None or _scraping(recording), "Prometheus to scrape")
            if process.poll() is None:
                yield recording
                return
        assert not last_try, log.read_text()


def _scraping(recording: Recording) -> bool:
    try:
        return recording.now('up{job="shop"} == 1') != []
    except OSError:
        return False


@contextlib.contextmanager
def recorded(folder: Path, seconds: float) -> Iterator[Recording]:
    """Play the incident with phases of so many seconds before a Prometheus, and let it be asked afterwards."""
    log = folder / "incident.log"
    with _process(sys.executable, str(INCIDENT), str(seconds), log=log) as incident:
        with _prometheus(folder, _facts(incident, log)["port"]) as recording:
            incident.stdin.write("begin\n")
            incident.stdin.flush()
            while "quiet" not in recording.phases:
                facts = _facts(incident, log)
                recording.phases[facts["phase"]] = facts["at"]
            time.sleep(1)  # what a Prometheus records of a quiet process
            assert log.read_text() == ""
            yield recording
