"""Log lines: in five applications, each with another idea of logging, and once per fact."""

import errno
import json
import subprocess
import sys
import textwrap

import httpx
import pytest

from resilient_client import Breaker, Bulkhead, Client, Policy, Retry, load_policies
from resilient_client.telemetry.logs import EVERY, Seldom
from resilient_client.testing import VirtualWorld, steps


class Raising(httpx.BaseTransport):
    """Raises the same for every request."""

    def __init__(self, problem):
        self._problem = problem

    def handle_request(self, request):
        raise self._problem


SCENARIO = """
from resilient_client import Breaker, Policy, Retry
from resilient_client.testing import VirtualWorld, steps
world = VirtualWorld()
world.on("/orders/7", steps.status(503))
client = world.client("orders", policy=Policy(retry=Retry(max_attempts=2), breaker=Breaker(consecutive=2)))
client.get("/orders/7?token=s3cret", route="/orders/{id}")
"""


def run(before="", after=""):
    code = textwrap.dedent(before) + SCENARIO + textwrap.dedent(after)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_an_application_that_configured_nothing_sees_nothing():
    done = run()
    assert (done.stdout, done.stderr) == ("", "")


def test_an_application_with_structlog_imported_but_not_configured_sees_nothing():
    done = run("import structlog\n")
    assert (done.stdout, done.stderr) == ("", "")


STDLIB = """
import json, logging
class AsJson(logging.Formatter):
    def format(self, record):
        fields = ("event", "client", "url", "route", "attempt", "kind", "status", "stopped", "circuit", "state")
        kept = {name: getattr(record, name) for name in fields if hasattr(record, name)}
        return json.dumps({"logger": record.name, "level": record.levelname, **kept})
handler = logging.StreamHandler()
handler.setFormatter(AsJson())
logging.basicConfig(level=logging.INFO, handlers=[handler])
"""


def test_an_application_of_the_standard_library_gets_records_with_fields():
    lines = [json.loads(line) for line in run(STDLIB).stderr.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("INFO", "retry.scheduled"),
        ("WARNING", "breaker.opened"),
        ("WARNING", "call.failed"),
    ]
    assert {line["logger"] for line in lines} == {"resilient_client"}
    first, _, last = lines
    assert first["url"] == "http://far.side/orders/7?token=REDACTED"
    assert (first["client"], first["route"], first["attempt"], first["status"]) == ("orders", "/orders/{id}", 1, 503)
    assert (last["kind"], last["stopped"]) == ("server_error", "rejected") or last["stopped"] == "max_attempts"


def test_a_plain_format_has_everything_in_its_message():
    told = run("import logging\nlogging.basicConfig(level=logging.WARNING, format='%(message)s')\n").stderr
    opened, failed = told.splitlines()
    assert opened.startswith("breaker.opened client=orders circuit=http://far.side:80 before=closed calls=2 failures=2")
    assert failed.startswith("call.failed client=orders method=GET url=http://far.side/orders/7?token=REDACTED route=")


def why_of(caplog, **options):
    """The `why` of the line about a call that failed, and the record's own message."""
    caplog.clear()
    client = Client("orders", **options)
    with caplog.at_level("WARNING", "resilient_client"), client:
        assert not client.get("/")
    (record,) = [one for one in caplog.records if one.event == "call.failed"]
    return getattr(record, "why", None), record.getMessage()


def test_a_failure_before_any_answer_says_why_where_its_kind_does_not(caplog, fault_server_factory):
    once = Policy(retry=None)
    why, told = why_of(caplog, base_url="http://127.0.0.1:1", policy=once)
    assert "Connection refused" in why
    assert told.endswith(f"why={why}")
    assert "Name" in why_of(caplog, base_url="http://nowhere.invalid", policy=once)[0]
    server = fault_server_factory(tls="expired")
    trusting = {"base_url": server.url, "verify": server.client_context()}
    assert "certificate has expired" in why_of(caplog, policy=once, **trusting)[0]
    private = Policy(retry=None, allow_private=False)
    assert "127.0.0.1" in why_of(caplog, base_url="http://127.0.0.1:1", policy=private)[0]
    full = Raising(OSError(errno.EMFILE, "Too many open files"))
    assert "Too many open files" in why_of(caplog, base_url="http://orders", policy=once, transport=full)[0]


def test_what_a_server_or_the_code_of_the_caller_says_is_in_no_line(caplog, fault_server):
    fault_server.on("/", steps.status(500, b"s3cret"))
    assert why_of(caplog, base_url=fault_server.url, policy=Policy(retry=None))[0] is None

    def failing(_):
        raise LookupError("s3cret")

    why, told = why_of(caplog, base_url=fault_server.url, policy=Policy(retry=None), auth=failing)
    assert why is None
    assert "s3cret" not in told


STRUCTLOG = """
import structlog
structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()])
"""


def test_an_application_of_structlog_gets_events():
    done = run(STRUCTLOG)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "retry.scheduled"),
        ("warning", "breaker.opened"),
        ("warning", "call.failed"),
    ]
    assert lines[0]["url"] == "http://far.side/orders/7?token=REDACTED"
    assert done.stderr == ""


BOTH = """
import logging, structlog
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, structlog.processors.JSONRenderer()],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
)
"""


def test_an_application_of_both_gets_each_fact_once():
    done = run(BOTH)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert all(line.startswith("resilient_client {") for line in lines)
    events = [json.loads(line.partition(" ")[2])["event"] for line in lines]
    assert events == ["retry.scheduled", "breaker.opened", "call.failed"]


def test_capture_logs_captures_and_leaves_silence_behind():
    done = run(
        "from structlog.testing import capture_logs\ncapturing = capture_logs()\nlines = capturing.__enter__()\n",
        """
        capturing.__exit__(None, None, None)
        client.get("/orders/7")
        client.breaker("http://far.side").isolate()
        import sys
        sys.stderr.write(" ".join(line["event"] for line in lines))
        """,
    )
    assert done.stderr == "retry.scheduled breaker.opened call.failed"
    assert done.stdout == ""


# Once per fact.


def lines_of(caplog):
    return [(record.levelname, record.event) for record in caplog.records]


@pytest.fixture
def caplog(caplog):
    with caplog.at_level("INFO", "resilient_client"):
        yield caplog


def test_a_call_that_a_retry_saves_is_one_line_about_the_retry(world, caplog):
    world.on("/", steps.status(503), then=steps.ok())
    world.client(policy=Policy(retry=Retry(wait_initial=0.001, wait_max=0.001))).get("/")
    assert lines_of(caplog) == [("INFO", "retry.scheduled")]


def test_a_call_that_succeeds_is_no_line(world, caplog):
    world.client().get("/")
    assert lines_of(caplog) == []


def test_rejections_are_at_most_a_line_a_second_with_the_number_of_the_others(caplog):
    world = VirtualWorld()
    client = world.client("shut", policy=Policy(breaker=Breaker()))
    client.breaker("http://far.side").isolate()
    for _ in range(50):
        client.get("/")
    (first,) = [record for record in caplog.records if record.event == "breaker.rejected"]
    assert (first.client, first.suppressed) == ("shut", 0)
    assert [record.event for record in caplog.records].count("call.failed") == 0


def test_a_call_that_was_sent_before_it_was_refused_has_a_line_of_its_own(caplog):
    world = VirtualWorld()
    world.on("POST /charges", steps.hang())
    retrying = Retry(wait_initial=1)
    client = world.async_client("shop", policy=Policy(retry=retrying, breaker=Breaker(consecutive=2, open_for=60)))
    calls = [client.post("/charges", idempotency_key=f"order-{number}") for number in range(9)]
    results = world.run(world.gather(*calls))
    refused = [result for result in results if result.kind == "circuit_open"]
    assert refused
    assert all(result.sent for result in results)
    assert lines_of(caplog).count(("WARNING", "call.failed")) == len(results)


def test_what_was_held_back_is_counted_for_each_client_and_kind():
    time = [0.0]
    seldom = Seldom(lambda: time[0])
    assert [seldom.suppressed(("a", "x")) for _ in range(4)] == [0, None, None, None]
    assert seldom.suppressed(("b", "x")) == 0
    time[0] += EVERY
    assert seldom.suppressed(("a", "x")) == 3
    assert seldom.suppressed(("a", "x")) is None


def test_a_full_bulkhead_is_a_warning(caplog):
    world = VirtualWorld()
    world.on("/", steps.hang())
    policy = Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1, max_waiting=0))
    client = world.async_client("narrow", policy=policy)
    world.run(world.gather(client.get("/"), client.get("/")))
    assert ("WARNING", "bulkhead.rejected") in lines_of(caplog)


def test_a_circuit_is_a_line_per_change(caplog):
    world = VirtualWorld()
    world.on("/", steps.status(500), then=steps.ok())
    policy = Policy(retry=None, breaker=Breaker(consecutive=1, closes_after=1))
    client = world.client(policy=policy)
    client.get("/")
    world.advance(6)
    client.get("/")
    circuit = [line for line in lines_of(caplog) if line[1].startswith("breaker")]
    assert circuit == [("WARNING", "breaker.opened"), ("INFO", "breaker.half_open"), ("INFO", "breaker.closed")]


def test_a_policy_file_that_is_read_again_is_a_line(caplog, tmp_path):
    path = tmp_path / "services.toml"
    path.write_text("[clients.a]\n")
    policies = load_policies(path)
    path.write_text("[clients.a]\nredirects = 1\n")
    policies.reload()
    path.write_text("[clients.a]\nredirectz = 1\n")
    with pytest.raises(ValueError, match="redirectz"):
        policies.reload()
    assert lines_of(caplog) == [("INFO", "config.reloaded"), ("ERROR", "config.reload_failed")]
    assert "clients.a.redirectz" in caplog.records[1].problem


def test_without_telemetry_there_are_no_lines(world, caplog):
    world.on("/", steps.status(404))
    world.client(telemetry=False).get("/")
    assert lines_of(caplog) == []
