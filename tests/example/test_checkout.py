"""The example service, run as it stands: on a real socket, between its caller and two servers that fail on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import structlog
import uvicorn
from otlp_receiver import Receiver, clean_environment, parted

import examples.checkout
from examples.checkout.app import SERVICES, create_app
from examples.checkout.downstreams import Ledger, add_routes, late, obey
from resilient_client.testing import FaultServer, steps

ROOT = Path(examples.checkout.__file__).parents[2]
ORDER = {"item": 7, "amount": 1250}
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PATIENCE = 30


def eventually(true):
    """Ask until it is so; how long that takes is nobody's claim."""
    limit = time.monotonic() + PATIENCE
    while not (answer := true()):
        assert time.monotonic() < limit, "it has not come true"
        time.sleep(0.01)
    return answer


class Downstreams:
    def __init__(self):
        self.stock, self.payments, self.ledger = FaultServer(), FaultServer(), Ledger()

    def __enter__(self):
        for server in (self.stock.__enter__(), self.payments.__enter__()):
            add_routes(server, self.ledger)
        return self

    def __exit__(self, *error):
        self.stock.__exit__(*error)
        self.payments.__exit__(*error)

    def environment(self, **payments):
        """Where they are, and other times for payments, as an operator would say it."""
        return {
            "RESILIENT_CLIENT__CLIENTS__STOCK__BASE_URL": self.stock.url,
            "RESILIENT_CLIENT__CLIENTS__PAYMENTS__BASE_URL": self.payments.url,
            **{f"RESILIENT_CLIENT__CLIENTS__PAYMENTS__TIMEOUTS__{key}": value for key, value in payments.items()},
        }


class Service:
    """checkout on a free port, in a thread, and its caller."""

    def __init__(self, services, environment):
        listening = socket.create_server(("127.0.0.1", 0))  # a request waits here until the service is there
        app = create_app(services, environment)
        self._server = uvicorn.Server(uvicorn.Config(app, loop="asyncio", http="h11", ws="none", log_config=None))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening)))
        self._thread.start()
        self.caller = httpx.Client(
            base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=PATIENCE, trust_env=False
        )

    async def _serve(self, listening):
        await self._server.serve(sockets=[listening])
        self.left_behind = asyncio.all_tasks() - {asyncio.current_task()}

    def order(self, number=4711, order=ORDER, **headers):
        return self.caller.put(f"/orders/{number}", json=order, headers=headers)

    def circuits(self):
        return self.caller.get("/health").json()["circuits"]

    def stop(self):
        self.caller.close()
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture
def downstreams():
    with Downstreams() as servers:
        yield servers


@pytest.fixture
def serve(downstreams):
    """Start the service; the arguments are other times for payments."""
    running = []

    def start(services=SERVICES, **payments):
        running.append(Service(services, downstreams.environment(**payments)))
        return running[-1]

    yield start
    for service in running:
        service.stop()
    structlog.reset_defaults()


def test_a_good_order_is_charged_and_told_what_is_left(serve, downstreams):
    answer = serve().order()
    assert (answer.status_code, answer.json()) == (200, {"order": 4711, "charge": "charge-1", "stock": 3})
    downstreams.payments.journal.assert_effects("order-4711", 1)


def test_an_order_that_is_sent_again_is_charged_once(serve, downstreams):
    service = serve()
    assert service.order().json() == service.order().json()
    assert downstreams.ledger.charges == {"order-4711": "charge-1"}


@pytest.mark.parametrize(
    ("order", "status", "problem"),
    [
        ({"item": 8, "amount": 1}, 409, "sold out"),
        ({"item": 7, "amount": 200_000}, 402, "payment declined"),
        ({"item": 7, "amount": 0}, 400, "an order has an item, and an amount above 0"),
        ({"item": "../admin", "amount": 1}, 400, "an order has an item, and an amount above 0"),
    ],
)
def test_an_order_that_cannot_be_is_refused_and_not_charged(serve, downstreams, order, status, problem):
    answer = serve().order(order=order)
    assert (answer.status_code, answer.json()) == (status, {"problem": problem})
    assert downstreams.ledger.charges == {}


def test_an_item_that_stock_does_not_know_is_sold_out(serve, downstreams):
    downstreams.stock.on("GET /items/5", steps.status(404))
    assert serve().order(order={"item": 5, "amount": 1}).status_code == 409


def test_what_payments_does_not_understand_is_not_worth_another_try(serve, downstreams):
    downstreams.payments.on("POST /charges", steps.status(422))
    answer = serve().order()
    assert answer.status_code == 502
    assert "retry-after" not in answer.headers
    downstreams.payments.journal.assert_requests(1)


@pytest.mark.parametrize("trouble", ["down", "hang", "broken", "busy"])
def test_an_order_goes_through_without_stock(serve, downstreams, trouble):
    obey(downstreams.stock, trouble, downstreams.ledger)
    answer = serve().order()
    assert (answer.status_code, answer.json()["stock"]) == (200, "unknown")
    assert downstreams.ledger.charges == {"order-4711": "charge-1"}


def test_stock_is_left_alone_once_its_circuit_is_open(serve, downstreams):
    service = serve()
    obey(downstreams.stock, "broken", downstreams.ledger)
    orders = iter(range(100))

    def opened():
        assert service.order(next(orders)).json()["stock"] == "unknown"
        return service.circuits()["stock"] == ["open"]

    eventually(opened)
    asked = downstreams.stock.journal.count()
    answer = service.order(4711)
    assert (answer.status_code, answer.json()["stock"]) == (200, "unknown")
    downstreams.stock.journal.assert_requests(asked)
    assert service.circuits()["payments"] == ["closed"]


def test_a_charge_whose_answer_is_late_is_sent_again_with_its_key_and_made_once(serve, downstreams):
    downstreams.payments.on("POST /charges", late(downstreams.ledger, 5), then=downstreams.ledger)
    answer = serve(ATTEMPT="500ms").order()
    assert (answer.status_code, answer.json()["charge"]) == (200, "charge-1")
    assert [seen.idempotency_key for seen in downstreams.payments.journal.requests] == ["order-4711"] * 2
    downstreams.payments.journal.assert_effects("order-4711", 1)
    assert downstreams.ledger.charges == {"order-4711": "charge-1"}


def test_a_caller_is_told_when_to_come_again_while_payments_is_down(serve, downstreams):
    service = serve()
    obey(downstreams.payments, "down", downstreams.ledger)
    answer = service.order()
    assert (answer.status_code, answer.json()) == (503, {"problem": "payments is down", "charged": "no"})
    assert int(answer.headers["Retry-After"]) == 5
    eventually(lambda: service.order() and service.circuits()["payments"] == ["open"])
    rejected = service.order()
    assert rejected.status_code == 503
    assert 1 <= int(rejected.headers["Retry-After"]) <= 5


def test_a_pause_that_payments_asks_for_is_passed_on(serve, downstreams):
    downstreams.payments.on("POST /charges", steps.retry_after(503, 60))
    answer = serve().order()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert answer.json()["charged"] == "unknown"
    downstreams.payments.journal.assert_requests(1)


def test_the_deadline_of_the_caller_holds_for_both_calls_together(serve, downstreams):
    obey(downstreams.stock, "hang", downstreams.ledger)
    obey(downstreams.payments, "hang", downstreams.ledger)
    service = serve()
    began = time.monotonic()
    answer = service.order(**{"X-Request-Timeout-Ms": "1500"})
    took = time.monotonic() - began
    assert (answer.status_code, answer.json()["problem"]) == (504, "out of time")
    assert 1.49 <= took < 10
    (charge,) = downstreams.payments.journal.requests
    assert charge.seconds_left() <= 0.9


def test_a_caller_that_has_no_time_left_costs_nobody_anything(serve, downstreams):
    answer = serve().order(**{"X-Request-Timeout-Ms": "0"})
    assert (answer.status_code, answer.json()) == (504, {"problem": "out of time", "charged": "no"})
    downstreams.stock.journal.assert_requests(0)
    downstreams.payments.journal.assert_requests(0)


def test_a_deadline_that_is_none_is_passed_over(serve, downstreams):
    service = serve()
    for nonsense in ("soon", "-1", "1e9", "9" * 5000, "\u00b2"):
        assert service.order(**{"X-Request-Timeout-Ms": nonsense.encode("latin-1")}).status_code == 200
    assert all(7 < seen.seconds_left() <= 8 for seen in downstreams.payments.journal.requests)


def test_an_order_with_an_unknown_outcome_is_sent_again_to_know_it(serve, downstreams):
    obey(downstreams.payments, "slow", downstreams.ledger)
    service = serve()
    answer = service.order(**{"X-Request-Timeout-Ms": "700"})
    assert (answer.status_code, answer.json()) == (504, {"problem": "out of time", "charged": "unknown"})
    assert downstreams.ledger.charges == {"order-4711": "charge-1"}
    obey(downstreams.payments, "up", downstreams.ledger)
    assert service.order().json()["charge"] == "charge-1"
    assert downstreams.ledger.charges == {"order-4711": "charge-1"}


def test_a_policy_that_is_edited_takes_effect_while_it_runs(serve, downstreams, tmp_path, caplog):
    services = tmp_path / "services.toml"
    text = SERVICES.read_text(encoding="utf-8")
    services.write_text(text, encoding="utf-8")
    service = serve(services)

    def patience():
        assert service.order().status_code == 200
        return downstreams.stock.journal.requests[-1].seconds_left()

    assert patience() <= 0.7
    services.write_text(text.replace('total = "700ms"', 'total = "5s"'), encoding="utf-8")
    eventually(lambda: patience() > 0.7)
    services.write_text("this is no TOML", encoding="utf-8")
    eventually(lambda: "config.reload_failed" in caplog.text)
    assert patience() > 0.7


def open_now():
    """The threads and the descriptors of this process, each told apart from a later one of the same name or number."""
    found = set(threading.enumerate())
    for number in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):  # that of the listing itself
            found.add((number, os.fstat(number).st_ino))
    return found


def test_a_service_that_is_stopped_leaves_nothing_behind(downstreams):
    before = open_now()
    service = Service(SERVICES, downstreams.environment())
    assert service.order().status_code == 200
    assert not open_now() <= before
    service.stop()
    structlog.reset_defaults()
    assert service.left_behind == set()
    eventually(lambda: open_now() <= before)


SLOW = re.compile(r"Executing <.*> took [\d.]+ seconds")
"""What asyncio says in development mode of a step that took long, as each does on a machine that stood still."""


class Program:
    """`python -m examples.checkout`, and what it writes."""

    def __init__(self, environment):
        self._process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-m", "examples.checkout"],
            cwd=ROOT,
            env={**clean_environment(), "PYTHONPATH": str(ROOT), "PORT": "0", **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        self.lines += map(str.strip, self._process.stderr)  # one by one, as they come

    def url(self):
        def told():
            assert self._process.poll() is None, self.lines
            return re.search(r"running on (http://[\d.:]+)", "\n".join(list(self.lines)))

        return eventually(told)[1]

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self._process.stderr.close()
        return code

    def told(self, event):
        return [line for line in map(json.loads, self.lines) if line["event"] == event]


def test_one_trace_goes_from_the_caller_through_the_service_to_both_downstreams(downstreams):
    downstreams.payments.on("POST /charges", steps.status(503), then=downstreams.ledger)
    traceparent = f"00-{TRACE}-{CALLER}-01"
    with Receiver() as receiver:
        program = Program({**downstreams.environment(), **receiver.environment()})
        try:
            url = f"{program.url()}/orders/4711"
            answer = httpx.put(url, json=ORDER, headers={"traceparent": traceparent}, timeout=PATIENCE, trust_env=False)
        finally:
            code = program.stop()
        assert answer.status_code == 200
        assert code in {0, -signal.SIGTERM}

    spans = sorted(receiver.spans, key=lambda span: span.started)
    assert {span.trace for span in spans} == {TRACE}
    assert {span.resource["service.name"] for span in spans} == {"checkout"}
    server, stock, get, payments, first, second = spans
    assert (server.name, server.kind, server.parent) == ("PUT /orders/{number}", "SERVER", CALLER)
    assert (stock.kind, payments.kind) == ("INTERNAL", "INTERNAL")
    assert stock.parent == payments.parent == server.id
    assert [span.name for span in (get, first, second)] == ["GET /items/{id}", "POST /charges", "POST /charges"]
    assert [span.kind for span in (get, first, second)] == ["CLIENT"] * 3
    assert get.parent == stock.id
    assert first.parent == second.parent == payments.id
    assert [span.status for span in (server, payments, first, second)] == ["UNSET", "UNSET", "ERROR", "UNSET"]
    asked = [*downstreams.stock.journal.requests, *downstreams.payments.journal.requests]
    assert [parted(seen.traceparent) for seen in asked] == [span.traceparent for span in (get, first, second)]

    (retry,) = program.told("retry.scheduled")
    assert (retry["client"], retry["order"]) == ("payments", 4711)
    assert (retry["trace_id"], retry["span_id"]) == (TRACE, payments.id)
    (request,) = program.told("request")
    assert (request["path"], request["status"]) == ("/orders/4711", 200)
    assert (request["trace_id"], request["span_id"]) == (TRACE, server.id)


def test_the_program_ends_by_itself_when_it_is_told_to_and_warns_of_nothing(downstreams):
    program = Program(downstreams.environment())
    try:
        url = program.url()
        assert httpx.put(f"{url}/orders/1", json=ORDER, timeout=PATIENCE, trust_env=False).status_code == 200
        assert httpx.request("PURGE", f"{url}/orders/1", timeout=PATIENCE, trust_env=False).status_code == 405
    finally:
        code = program.stop()
    assert code in {0, -signal.SIGTERM}
    warned = [line for line in map(json.loads, program.lines) if line["level"] != "info"]
    assert [line for line in warned if not SLOW.match(line["event"])] == []
