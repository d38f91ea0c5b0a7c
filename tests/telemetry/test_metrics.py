"""What is measured: the table of the documentation, kind by kind, and that series stay few."""

import gc
import weakref

import pytest
from heard import Meters

from resilient_client import AsyncClient, Breaker, Bulkhead, Client, Policy, Retry, Timeouts
from resilient_client.testing import VirtualWorld, steps

QUICK = Retry(wait_initial=0.001, wait_max=0.002, max_attempts=3)


@pytest.fixture
def meters():
    return Meters()


def of_call(**more):
    return {"resilient_client.client.name": "far-side", "server.address": "far.side", **more}


def metered(world, meters, **options):
    return world.client(listeners=[meters.listener], telemetry=False, **options)


def test_each_request_on_the_wire_is_measured(world, meters):
    world.on("/", steps.status(503), then=steps.ok())
    assert metered(world, meters, policy=Policy(retry=QUICK)).get("/").ok
    host, port = world.url.partition("//")[2], 80
    if ":" in host:
        host, port = host.split(":")
    common = {"http.request.method": "GET", "server.address": host, "server.port": int(port)}
    assert sorted(meters.points("http.client.request.duration"), key=str) == sorted(
        [
            ({**common, "http.response.status_code": 503, "error.type": "503"}, 1),
            ({**common, "http.response.status_code": 200}, 1),
        ],
        key=str,
    )


@pytest.mark.parametrize(
    ("step", "options", "outcome"),
    [
        (steps.ok(), {}, {"outcome": "success"}),
        (steps.status(404), {}, {"outcome": "http_error", "error.type": "client_error"}),
        (steps.status(404), {"expect": {404}}, {"outcome": "success"}),
        (steps.status(500), {}, {"outcome": "http_error", "error.type": "server_error"}),
        (steps.reset(), {}, {"outcome": "error", "error.type": "reset"}),
        (
            steps.hang(),
            {"policy": Policy(timeouts=Timeouts(total=0.2))},
            {"outcome": "error", "error.type": "deadline"},
        ),
    ],
)
def test_each_call_is_measured_with_its_outcome(virtual, meters, step, options, outcome):
    virtual.on("/", step)
    client = metered(virtual, meters, policy=Policy(retry=None))
    client.get("/", **options)
    assert meters.points("resilient_client.request.duration") == [(of_call(**outcome), 1)]


def test_retries_are_counted_and_those_of_none_are_not_reported(virtual, meters):
    virtual.on("/", steps.status(503), steps.status(503), then=steps.ok())
    client = metered(virtual, meters, policy=Policy(retry=QUICK))
    client.get("/")
    client.get("/")
    assert meters.points("resilient_client.request.retries") == [(of_call(outcome="success"), 1)]
    assert meters.points("resilient_client.request.retry_delay") == [(of_call(), 2)]
    assert meters.points("resilient_client.retry.decisions") == [
        (of_call(decision="scheduled", reason="server_error"), 2)
    ]


def test_the_reason_why_nothing_more_is_tried_is_counted(virtual, meters):
    virtual.on("/", steps.reset())
    metered(virtual, meters).post("/")
    assert meters.points("resilient_client.retry.decisions") == [
        (of_call(decision="not_idempotent", reason="reset"), 1)
    ]


def test_circuits_are_counted_and_shown_one_hot(virtual, meters):
    virtual.on("/", steps.status(500))
    policy = Policy(retry=None, breaker=Breaker(consecutive=2))
    client = metered(virtual, meters, name="one-hot", policy=policy)
    for _ in range(4):
        client.get("/")
    name = "http://far.side:80"
    client_name = {"resilient_client.client.name": "one-hot"}
    assert meters.points("resilient_client.circuit_breaker.calls") == [
        ({**client_name, "server.address": "far.side", "name": name, "outcome": "failure"}, 2),
        ({**client_name, "server.address": "far.side", "name": name, "outcome": "rejected"}, 2),
    ]
    transitions = meters.points("resilient_client.circuit_breaker.transitions")
    assert len(transitions) == 4  # all of them, from zero, so that the first change is an increase
    assert [point for point in transitions if point[1]] == [({**client_name, "name": name, "state": "open"}, 1)]
    shown = {
        attributes["state"]: value
        for attributes, value in meters.points("resilient_client.circuit_breaker.state")
        if attributes["resilient_client.client.name"] == "one-hot"
    }
    assert shown == {"closed": 0, "open": 1, "half-open": 0, "isolated": 0}


def test_the_bulkhead_is_measured(meters):
    world = VirtualWorld()
    world.on("/", steps.ok(after=1))
    policy = Policy(retry=None, bulkhead=Bulkhead(max_concurrent=2, max_waiting=1))
    client = world.async_client("narrow-gate", policy=policy, listeners=[meters.listener])
    flows = [world.spawn(client.get("/")) for _ in range(4)]
    world.advance(0.5)
    assert at(meters, "bulkhead.usage", "narrow-gate") == 2
    assert at(meters, "bulkhead.limit", "narrow-gate") == 2
    assert at(meters, "bulkhead.queued", "narrow-gate") == 1
    assert at(meters, "bulkhead.rejections", "narrow-gate") == 1
    world.advance(5)
    assert at(meters, "bulkhead.wait.duration", "narrow-gate") == 1
    assert at(meters, "bulkhead.usage", "narrow-gate") == 0
    assert all(flow.done for flow in flows)


def at(meters, name, client):
    (value,) = [
        value
        for attributes, value in meters.points(f"resilient_client.{name}")
        if attributes["resilient_client.client.name"] == client
    ]
    return value


@pytest.mark.parametrize(
    ("timeouts", "step", "scope"),
    [
        (Timeouts(read=0.1), steps.hang(), "read"),
        (Timeouts(attempt=0.1), steps.hang(), "attempt"),
        (Timeouts(total=0.1), steps.hang(), "total"),
    ],
)
def test_timeouts_are_counted_by_the_timeout(virtual, meters, timeouts, step, scope):
    virtual.on("/", step)
    metered(virtual, meters, policy=Policy(timeouts=timeouts, retry=None)).get("/")
    assert meters.points("resilient_client.timeouts") == [(of_call(scope=scope), 1)]


def test_a_timeout_of_connecting_is_counted(meters):
    world = VirtualWorld()
    world.connecting_takes = 5
    client = world.client(policy=Policy(timeouts=Timeouts(connect=1), retry=None), listeners=[meters.listener])
    client.get("/")
    assert meters.points("resilient_client.timeouts") == [(of_call(scope="connect"), 1)]


def test_the_retry_budget_is_shown(virtual, meters):
    virtual.on("/", steps.status(500))
    client = metered(virtual, meters, name="budgeted", policy=Policy(retry=QUICK, breaker=None))
    client.get("/")
    assert at(meters, "retry_budget.available", "budgeted") == pytest.approx(client.state().budget)


def test_a_cancelled_call_is_measured_as_such(meters):
    world = VirtualWorld()
    world.on("/", steps.hang())
    client = world.async_client(listeners=[meters.listener])
    flow = world.spawn(client.get("/"))
    world.advance(1)
    flow.cancel()
    world.advance(0)
    assert meters.points("resilient_client.request.duration") == [(of_call(outcome="cancelled"), 1)]
    (exchange,) = meters.points("http.client.request.duration")
    assert "error.type" not in exchange[0]


def test_a_method_nobody_knows_is_other(virtual, meters):
    virtual.on("/brew", steps.ok())
    metered(virtual, meters).request("BREW", "/brew")
    ((attributes, _),) = meters.points("http.client.request.duration")
    assert attributes["http.request.method"] == "_OTHER"


# Gauges.


def test_bulkheads_and_circuits_of_routes_are_shown_under_their_route(meters):
    world = VirtualWorld()
    world.on("/report", steps.status(500))
    own = Policy(retry=None, bulkhead=Bulkhead(max_concurrent=3), breaker=Breaker(consecutive=1))
    client = world.client("routed", routes={"GET /report": own}, listeners=[meters.listener])
    client.get("/report")
    limits = {
        attributes["name"]: value
        for attributes, value in meters.points("resilient_client.bulkhead.limit")
        if attributes["resilient_client.client.name"] == "routed"
    }
    assert limits == {"routed": 100, "routed GET /report": 3}
    states = {
        (attributes["name"], attributes["state"])
        for attributes, value in meters.points("resilient_client.circuit_breaker.state")
        if attributes["resilient_client.client.name"] == "routed" and value
    }
    assert states == {("GET /report http://far.side:80", "open")}


def test_clients_may_be_made_while_somebody_collects(meters):
    import threading

    stop = threading.Event()
    failed = []

    def collect():
        while not stop.is_set():
            try:
                meters.points("resilient_client.bulkhead.limit")
            except RuntimeError as problem:
                failed.append(problem)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    clients = [Client(f"c{number}", listeners=[meters.listener]) for number in range(300)]
    stop.set()
    thread.join()
    for client in clients:
        client.close()
    assert failed == []


def test_a_closed_client_disappears_from_the_gauges(meters):
    client = Client("to-be-closed", listeners=[meters.listener])
    assert at(meters, "bulkhead.limit", "to-be-closed") == 100
    client.close()
    assert "to-be-closed" not in str(meters.points("resilient_client.bulkhead.limit"))


def test_the_gauges_keep_no_client_alive(meters):
    client = AsyncClient("to-be-dropped", listeners=[meters.listener])
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    assert "to-be-dropped" not in str(meters.points("resilient_client.bulkhead.limit"))


def test_clients_of_one_state_are_shown_once_and_clients_of_one_name_added_up(meters):
    with (
        Client("shared", listeners=[meters.listener]) as first,
        Client("shared", kernels=first.kernels, listeners=[meters.listener]),
    ):
        assert at(meters, "bulkhead.limit", "shared") == 100
        with Client("shared", listeners=[meters.listener]):
            assert at(meters, "bulkhead.limit", "shared") == 200


# Series stay few.


def test_a_thousand_origins_and_ten_thousand_routes_are_a_bounded_number_of_series(meters):
    world = VirtualWorld()
    world.on("/", steps.ok())
    client = world.client("many", listeners=[meters.listener], allow_other_origins=True, policy=Policy(retry=None))
    for number in range(1000):
        for route in range(10):
            assert client.get(f"http://host-{number}/", route=f"/{number}/{route}").ok
    assert meters.series() < 2500
    names = {attributes["server.address"] for attributes, _ in meters.points("resilient_client.request.duration")}
    assert len(names) == 201
    assert "_OTHER" in names


def test_a_thousand_circuits_are_a_bounded_number_of_series(meters):
    world = VirtualWorld()
    world.on("/", steps.ok())
    policy = Policy(breaker=Breaker(key="route"))
    client = world.client("routes", policy=policy, listeners=[meters.listener])
    for route in range(1000):
        client.get("/", route=f"/{route}")
    states = meters.points("resilient_client.circuit_breaker.state")
    mine = [point for point in states if point[0]["resilient_client.client.name"] == "routes"]
    assert len(mine) == 4 * 201
    assert sum(value for _, value in mine) == 1000


def test_every_instrument_of_the_table_is_there(meters):
    world = VirtualWorld()
    world.on("/", steps.hang())
    policy = Policy(
        timeouts=Timeouts(attempt=0.1),
        breaker=Breaker(consecutive=6),
        bulkhead=Bulkhead(max_concurrent=1, max_waiting=1),
    )
    client = world.async_client(policy=policy, listeners=[meters.listener])
    world.run(world.gather(*(client.get("/") for _ in range(6))))
    names = {name.removeprefix("resilient_client.") for name in meters.names()}
    assert names == {
        *("http.client.request.duration", "request.duration", "request.retries", "request.retry_delay"),
        *("retry.decisions", "circuit_breaker.state", "circuit_breaker.transitions", "circuit_breaker.calls"),
        *("bulkhead.usage", "bulkhead.limit", "bulkhead.queued", "bulkhead.rejections", "bulkhead.wait.duration"),
        *("timeouts", "retry_budget.available"),
    }
