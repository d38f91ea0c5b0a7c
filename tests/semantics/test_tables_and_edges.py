"""The contract's tables, kind by kind, and the edges of its numbers."""

import asyncio
import pickle
import signal
import threading
import time
from dataclasses import FrozenInstanceError, fields

import pytest
from helpers import FAST, kinds, policy

from resilient_client import (
    AsyncClient,
    Attempt,
    Breaker,
    Bulkhead,
    CallFailed,
    Client,
    Failure,
    FailureKind,
    Kernels,
    Policy,
    Retry,
    StopReason,
    Success,
    Timeouts,
)
from resilient_client.exchange import Outcome
from resilient_client.headers import Headers
from resilient_client.pipeline.breaker import failed
from resilient_client.pipeline.circuit import Circuit
from resilient_client.pipeline.circuits import MAX_CIRCUITS, Circuits
from resilient_client.pipeline.retry import transient
from resilient_client.result import new_attempt, new_failure, new_success
from resilient_client.testing import FaultServer, sockets
from resilient_client.testing.certificates import CERTIFICATES
from resilient_client.testing.steps import hang, ok, redirect, retry_after, status
from resilient_client.wire.sockets import resolve

COUNTED = {
    *("dns", "connect", "tls", "connect_timeout", "read_timeout", "write_timeout", "attempt_timeout"),
    *("reset", "truncated", "protocol", "server_error"),
}
SAYS_NOTHING = {"pool_timeout", "local", "blocked", "bulkhead_full"}
RETRIED = {
    *("dns", "connect", "connect_timeout", "read_timeout", "write_timeout", "attempt_timeout"),
    *("reset", "truncated", "protocol"),
}
TABLE = [kind for kind in FailureKind if kind not in {FailureKind.DEADLINE, FailureKind.UNEXPECTED}]


@pytest.mark.parametrize("kind", TABLE)
def test_what_each_kind_says_about_the_dependency(kind):
    assert failed(Outcome(kind)) is (None if kind in SAYS_NOTHING else kind in COUNTED)


@pytest.mark.parametrize("kind", FailureKind)
def test_which_kinds_are_transient(kind):
    assert transient(Outcome(kind)) is (kind in RETRIED)


@pytest.mark.parametrize(("bad", "calls", "ratio"), [(7, 50, 0.14), (7, 25, 0.28), (55, 100, 0.55)])
def test_the_failure_ratio_is_reached_at_equality_whatever_its_decimals(bad, calls, ratio):
    one = Circuit("k", Breaker(failure_ratio=ratio, min_calls=calls), lambda: 0.0)
    for number in range(calls):
        one.record(one.admit(0.0), number < bad, 0.0, 0.0)
    assert one.state == "open"


def test_the_circuit_idle_longest_goes_first():
    circuits = Circuits(Breaker(), lambda key, values: Circuit(key, values, lambda: 0.0))
    for number in range(MAX_CIRCUITS):
        circuits.get(str(number)).admit(float(number))
    busy = circuits.get("0")
    busy.admit(1e6)
    circuits.get("new").admit(1e6)
    assert circuits.get("0") is busy
    assert "1" not in {one.key for one in circuits.all()}


def test_a_cancelled_probe_of_a_client_frees_its_place(virtual):
    virtual.on("/", status(500), hang(), then=ok())
    values = Policy(retry=None, breaker=Breaker(consecutive=1, open_for=5, closes_after=1))
    client = virtual.inner.async_client(policy=values)

    async def scene():
        await client.get("/")
        await virtual.inner.sleep(5)
        probe = virtual.inner.spawn(client.get("/"))
        await virtual.inner.sleep(0.5)
        probe.cancel()
        await virtual.inner.sleep(0)
        return await client.get("/")

    assert virtual.inner.run(scene()).ok


def test_a_permit_given_back_by_a_thread_wakes_a_waiting_task(fault_server):
    queued = threading.Event()
    fault_server.on("/", lambda request: queued.wait(20) and ok()(request))
    kernels = Kernels(Policy(retry=None, bulkhead=Bulkhead(max_concurrent=1), timeouts=Timeouts(total=5)))

    async def task():
        async with AsyncClient("both", base_url=fault_server.url, kernels=kernels) as client:
            call = asyncio.ensure_future(client.get("/"))
            while not client.state().queued:
                await asyncio.sleep(0.001)
            queued.set()
            return await call

    with Client("both", base_url=fault_server.url, kernels=kernels) as client:
        thread = threading.Thread(target=client.get, args=("/",))
        thread.start()
        while client.state().permits_in_use == 0:
            time.sleep(0.005)
        result = asyncio.run(task())
        thread.join()
    assert result.ok, result.explain()
    assert 0 < result.attempts[0].queued < 4


def test_connect_bounds_the_tls_handshake(wire):
    values = Policy(retry=None, timeouts=Timeouts(connect=0.2, total=5))
    with sockets.stalled_tls() as listening:
        client = wire.client(base_url=listening.url, verify=CERTIFICATES.client_context(), policy=values)
        result = client.get("/")
    assert (result.kind, result.sent) == (FailureKind.CONNECT_TIMEOUT, False)


def test_connect_bounds_the_name_lookup(wire, monkeypatch):
    release = threading.Event()

    def hung(name):
        release.wait(30)
        raise OSError("late")

    monkeypatch.setattr(resolve.resolver, "_look_up", hung)
    values = Policy(retry=None, timeouts=Timeouts(connect=0.2, total=5))
    try:
        result = wire.client(base_url="http://another-hung.example", policy=values).get("/")
    finally:
        release.set()
    assert (result.kind, result.sent) == (FailureKind.CONNECT_TIMEOUT, False)


def test_write_bounds_one_silence_on_the_socket(wire):
    values = Policy(retry=None, timeouts=Timeouts(write=0.2, total=10))
    with sockets.never_reads() as listening:
        result = wire.client(base_url=listening.url, policy=values).request("PUT", "/", content=b"x" * 50_000_000)
    assert result.kind is FailureKind.WRITE_TIMEOUT


def test_a_keyed_post_on_a_stale_connection_is_resent(virtual):
    virtual.on("/", ok())
    client = virtual.client(policy=Policy(retry=None))
    client.get("/")
    virtual.close_idle()
    assert kinds(client.post("/", idempotency_key=True)) == ["reset", None]


def test_trace_is_idempotent(virtual):
    virtual.on("/", status(503), then=ok())
    assert len(virtual.client().request("TRACE", "/").attempts) == 2


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirected_put_stays_a_put(world, code):
    world.on("/a", redirect("/b", code))
    world.on("/b", ok())
    assert world.client(policy=policy(redirects=3)).request("PUT", "/a", content=b"x").ok
    arrived = world.journal.requests[-1]
    assert (arrived.method, arrived.body) == ("PUT", b"x")


@pytest.mark.parametrize("location", ["http://xn--0/", "http://xn--a/", "//xn--0/", "http://host:\u00b2/"])
def test_no_redirect_target_makes_a_call_raise(world, location):
    world.on("/", redirect(location))
    result = world.client(policy=Policy(redirects=1, retry=None)).get("/")
    assert result.kind in {FailureKind.REDIRECT, FailureKind.DNS, FailureKind.CONNECT}


def test_an_upload_of_empty_pieces_ends_at_the_deadline(wire):
    def nothing():
        while True:
            yield b""

    values = Policy(retry=None, timeouts=Timeouts(total=0.3))
    started = time.monotonic()
    result = wire.client(policy=values).request("PUT", "/upload", content=nothing())
    assert result.kind is FailureKind.DEADLINE
    assert time.monotonic() - started < 4


def test_an_endless_upload_leaves_turns_to_other_tasks():
    def endless():
        while True:
            yield b"x" * 1000

    async def scene(url):
        values = Policy(retry=None, timeouts=Timeouts(total=2))
        async with AsyncClient("turns", base_url=url, policy=values) as client:
            upload = asyncio.create_task(client.request("PUT", "/", content=endless()))
            turns = 0
            while not upload.done():
                await asyncio.sleep(0.01)
                turns += 1
            return turns

    with sockets.black_hole() as listening:
        assert asyncio.run(scene(listening.url)) > 20


def test_the_smallest_total_wins_also_when_the_clients_is_smaller_than_the_calls(virtual):
    virtual.on("/", hang())
    client = virtual.client(policy=Policy(timeouts=Timeouts(total=5), retry=None))
    longer = Policy(timeouts=Timeouts(attempt=8, total=8), retry=None)
    assert client.get("/", policy=longer).elapsed == pytest.approx(5)


def test_a_call_may_take_longer_than_a_default_that_nobody_chose(virtual):
    virtual.on("/", ok(after=50))
    longer = Policy(timeouts=Timeouts(read=60, attempt=60, total=60), retry=None)
    assert virtual.client().get("/", policy=longer).ok


def test_the_deadline_header_is_renewed_at_each_hop_and_replaces_the_callers(virtual):
    virtual.on("/a", status(302, headers=[("Location", "/b")], after=2))
    virtual.on("/b", ok())
    values = Policy(redirects=1, retry=None, timeouts=Timeouts(total=5, header="X-Left"))
    assert virtual.client(policy=values, headers={"x-left": "99"}).get("/a").ok
    assert [seen.headers.get_list("x-left") for seen in virtual.journal.requests] == [["5000"], ["3000"]]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_date_in_asctimes_form_is_gmt(virtual, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        later = time.asctime(time.gmtime(time.time() + 10))
        virtual.on("/", status(503, headers=[("Retry-After", later)]), then=ok())
        assert 8 <= virtual.client().get("/").attempts[0].wait <= 12
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("value", [0, "soon", "-5"])
def test_a_503_with_a_useless_retry_after_waits_the_ordinary_backoff(virtual, value):
    virtual.on("/", retry_after(503, value), then=ok())
    result = virtual.client(policy=Policy(retry=Retry(jitter="none"))).get("/")
    assert result.attempts[0].wait == pytest.approx(0.1)


def test_json_in_another_encoding_than_utf8_is_none(world):
    world.on("/", status(200, '{"a": 1}'.encode("utf-16")))
    with pytest.raises(CallFailed):
        world.client().get("/").json()


def test_a_call_that_is_turned_away_here_pays_nothing_into_the_budget(virtual):
    virtual.on("/", status(500))
    client = virtual.client(policy=Policy(retry=FAST.__class__(), breaker=Breaker(consecutive=1, open_for=60)))
    client.get("/")
    before = client.state().budget
    for _ in range(100):
        client.get("/")
    assert client.state().budget == pytest.approx(before)


def test_an_expected_failure_is_not_decoded(world):
    world.on("/", status(404, "none"))
    result = world.client().get("/", expect={200, 404}, decode=dict)
    assert (result.ok, result.status, result.value) == (True, 404, None)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupts_at_any_instruction_lose_no_permit():
    """A signal every fraction of a millisecond, handled by raising, as Ctrl-C is; then all permits can be taken.

    A connection that is dropped between two instructions is closed by its last reference going, which Python warns of.
    """
    with FaultServer(strict=False) as server:
        values = Policy(retry=None, breaker=None, bulkhead=Bulkhead(max_concurrent=2, max_waiting=0))
        with Client("cut", base_url=server.url, policy=values) as client:
            interrupted, armed = 0, False

            def interrupt(*_):
                if armed:
                    raise KeyboardInterrupt

            before = signal.signal(signal.SIGALRM, interrupt)
            for number in range(1500):
                try:
                    try:
                        armed = True
                        signal.setitimer(signal.ITIMER_REAL, 0.00005 + (number % 60) * 0.00002)
                        client.get("/")
                    finally:
                        armed = False
                except KeyboardInterrupt:  # the timer fires once: from here on there is none
                    armed = False
                    interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            assert interrupted > 100
            assert client.state().permits_in_use == 0
            assert client.get("/").ok


@pytest.mark.parametrize(
    ("kind", "make", "given"),
    [
        (Attempt, new_attempt, (2, 0.5, 0.25, FailureKind.RESET)),
        (Success, new_success, (200, Headers(), b"", "http://far.side/", 0.5, ())),
        (
            Failure,
            new_failure,
            (FailureKind.DNS, "no such name", "http://far.side/", 0.5, (), False, StopReason.BUDGET),
        ),
    ],
)
def test_what_is_made_quickly_is_what_its_class_makes(kind, make, given):
    made, usual = make(*given), kind(*given)
    assert type(made) is kind
    assert (made, repr(made), hash(made)) == (usual, repr(usual), hash(usual))
    assert pickle.loads(pickle.dumps(made)) == usual
    for one in fields(kind):
        assert getattr(made, one.name) == getattr(usual, one.name)
        with pytest.raises(FrozenInstanceError):
            setattr(made, one.name, None)
