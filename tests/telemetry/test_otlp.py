"""Spans leave the process: a program makes calls, a receiver decodes what OTLP/HTTP brings, the servers say the rest.

The program is otlp_child.py; what it does in each scene stands there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest
from otlp_receiver import Receiver, Span, clean_environment, parted

CHILD = Path(__file__).with_name("otlp_child.py")
ROOT = CHILD.parents[2]
OURS, THEIRS = "resilient_client", "opentelemetry.instrumentation.httpx"


class Call:
    """A call as it came over OTLP: the span around it, and those of its requests in their order."""

    def __init__(self, outer: Span, spans: list[Span]):
        self.outer = outer
        self.requests = sorted((span for span in spans if span.parent == outer.id), key=lambda span: span.started)

    def each(self, attribute: str):
        """The values of an attribute of each request, None where it is absent."""
        return [span.attributes.get(attribute) for span in self.requests]

    @property
    def statuses(self):
        return [span.status for span in self.requests]


class Played:
    """What came of one run of the program."""

    def __init__(self, *arguments: str) -> None:
        with Receiver() as receiver:
            done = subprocess.run(
                [sys.executable, "-W", "error", str(CHILD), *arguments],
                env={**clean_environment(), **receiver.environment(), "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert (done.returncode, done.stderr) == (0, "")
        self.report = json.loads(done.stdout)
        self.spans = receiver.spans

    def calls(self, scene: str) -> list[Call]:
        """The calls of a scene, in the order in which they began."""
        outer = [span for span in self.spans if span.attributes.get("resilient_client.client.name") == scene]
        return [Call(span, self.spans) for span in sorted(outer, key=lambda span: span.started)]

    def call(self, scene: str) -> Call:
        (only,) = self.calls(scene)
        return only

    def by_us(self) -> list[Span]:
        return [span for span in self.spans if span.scope == OURS]

    def by_them(self) -> list[Span]:
        return [span for span in self.spans if span.scope == THEIRS]

    def by_the_application(self, name: str) -> Span:
        (only,) = [span for span in self.spans if span.name == name]
        return only

    def seen(self, scene: str) -> list[tuple[str, tuple[str, str]]]:
        """Path and traceparent of each request, as the server saw them."""
        requests = self.report[scene]["requests"]
        assert all(len(seen["traceparents"]) == 1 for seen in requests), requests
        return [(seen["target"].partition("?")[0], parted(*seen["traceparents"])) for seen in requests]


@pytest.fixture(scope="module")
def played():
    return Played("plain")


@pytest.fixture(params=["blocking", "asynchronous"])
def facade(request):
    return request.param


def path_of(span):
    return "/" + span.attributes["url.full"].split("/", 3)[3].partition("?")[0]


# What holds for all calls.


def test_every_span_of_ours_tells_which_package_and_which_conventions_it_is_of(played):
    assert {(span.scope, span.scope_version, span.schema) for span in played.by_us()} == {
        (OURS, version("resilient-client"), "https://opentelemetry.io/schemas/1.44.0")
    }


def test_there_is_one_internal_span_per_call_and_one_client_span_per_request_below_it(played):
    for scene, report in played.report.items():
        calls = played.calls(scene)
        assert len(calls) == len(report["results"]) or scene == "asynchronous cancelled"
        for call in calls:
            assert (call.outer.name, call.outer.kind) == ("resilient_client.request", "INTERNAL")
            assert {span.kind for span in call.requests} <= {"CLIENT"}
    calls = [call for scene in played.report for call in played.calls(scene)]
    assert len(played.by_us()) == sum(1 + len(call.requests) for call in calls)


def test_each_call_is_a_trace_of_its_own_outside_of_any_span(played):
    outside = [scene for scene in played.report if "inside_a_span" not in scene and "two_at_once" not in scene]
    calls = [call for scene in outside for call in played.calls(scene)]
    assert {call.outer.parent for call in calls} == {""}
    assert len({call.outer.trace for call in calls}) == len(calls)
    for call in calls:
        assert {span.trace for span in call.requests} <= {call.outer.trace}


def test_every_request_carries_the_traceparent_of_its_own_client_span(played):
    for scene in played.report:
        if "refused" in scene or "delegated" in scene:
            continue
        told = [(path_of(span), span.traceparent) for call in played.calls(scene) for span in call.requests]
        seen = played.seen(scene)
        assert sorted(seen) == sorted(told), scene
        assert "two_at_once" in scene or seen == told, scene


def test_a_request_lasts_within_its_call_and_the_next_one_begins_when_it_is_over(played):
    for scene in played.report:
        for call in played.calls(scene):
            assert all(call.outer.started <= span.started for span in call.requests)
            assert all(span.ended <= call.outer.ended for span in call.requests)
            assert all(before.ended <= after.started for before, after in pairwise(call.requests))


def test_every_request_tells_whom_it_was_for(played):
    for scene, report in played.report.items():
        for call in played.calls(scene):
            assert set(call.each("server.address")) <= {report["host"]}
            assert set(call.each("server.port")) <= {report["port"]}


def test_no_span_holds_a_secret_of_a_url(played):
    assert "s3cret" not in str(played.by_us())


def test_nobody_instruments_httpx_in_this_program(played):
    assert played.by_them() == []


# One call after the other.


def test_a_success(played, facade):
    call = played.call(f"{facade} success")
    port = played.report[f"{facade} success"]["port"]
    assert call.outer.status == "UNSET"
    assert call.outer.attributes == {
        "resilient_client.client.name": f"{facade} success",
        "resilient_client.outcome": "success",
        "resilient_client.attempts": 1,
    }
    (request,) = call.requests
    assert (request.name, request.status) == ("GET /orders/{id}", "UNSET")
    assert request.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": port,
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": f"http://127.0.0.1:{port}/orders/42?token=REDACTED&page=2",
        "url.template": "/orders/{id}",
    }


def test_a_retry_that_saved_the_call(played, facade):
    call = played.call(f"{facade} retry_then_success")
    assert (call.outer.status, call.outer.attributes["resilient_client.attempts"]) == ("UNSET", 2)
    assert "error.type" not in call.outer.attributes
    (event,) = call.outer.events
    assert (event.name, event.attributes["reason"]) == ("resilient_client.retry.scheduled", "server_error")
    assert [span.name for span in call.requests] == ["GET", "GET"]
    assert call.statuses == ["ERROR", "UNSET"]
    assert call.each("http.response.status_code") == [500, 200]
    assert call.each("error.type") == ["500", None]
    assert call.each("http.request.resend_count") == [None, 1]


def test_attempts_that_are_exhausted(played, facade):
    call = played.call(f"{facade} exhausted")
    assert call.outer.status == "ERROR"
    told = call.outer.attributes
    assert (told["resilient_client.outcome"], told["error.type"]) == ("http_error", "server_error")
    assert (told["resilient_client.attempts"], told["resilient_client.stopped"]) == (3, "max_attempts")
    assert call.statuses == ["ERROR"] * 3
    assert call.each("error.type") == ["502"] * 3
    assert call.each("http.request.resend_count") == [None, 1, 2]


def test_an_attempt_that_took_too_long_and_the_next_one(played, facade):
    call = played.call(f"{facade} attempt_timeout")
    assert call.outer.status == "UNSET"
    assert call.statuses == ["ERROR", "UNSET"]
    assert call.each("error.type") == ["attempt_timeout", None]
    assert call.each("http.response.status_code") == [None, 200]
    assert call.each("http.request.resend_count") == [None, 1]


def test_a_deadline(played, facade):
    call = played.call(f"{facade} deadline")
    assert (call.outer.status, call.outer.attributes["error.type"]) == ("ERROR", "deadline")
    assert (call.statuses, call.each("error.type")) == (["ERROR"], ["deadline"])


def test_a_call_that_an_open_circuit_rejects_sends_nothing(played, facade):
    opening, rejected = played.calls(f"{facade} circuit_open")
    assert opening.statuses == ["ERROR"]
    assert rejected.requests == []
    assert rejected.outer.status == "ERROR"
    assert rejected.outer.attributes["resilient_client.outcome"] == "rejected"
    assert rejected.outer.attributes["error.type"] == "circuit_open"
    (event,) = rejected.outer.events
    assert (event.name, event.attributes["kind"]) == ("resilient_client.rejected", "circuit_open")


def test_a_call_that_a_full_bulkhead_rejects_sends_nothing(played, facade):
    admitted, rejected = played.calls(f"{facade} bulkhead_full")
    assert (admitted.outer.status, admitted.statuses) == ("UNSET", ["UNSET"])
    assert (rejected.outer.status, rejected.requests) == ("ERROR", [])
    assert rejected.outer.attributes["error.type"] == "bulkhead_full"
    (event,) = rejected.outer.events
    assert (event.name, event.attributes["kind"]) == ("resilient_client.rejected", "bulkhead_full")


def test_two_redirects(played, facade):
    call = played.call(f"{facade} redirects")
    port = played.report[f"{facade} redirects"]["port"]
    assert call.outer.status == "UNSET"
    assert call.statuses == ["UNSET"] * 3
    assert call.each("http.response.status_code") == [302, 307, 200]
    assert call.each("http.request.resend_count") == [None, 1, 2]
    assert call.each("url.full") == [f"http://127.0.0.1:{port}/{letter}" for letter in "abc"]
    assert call.each("error.type") == [None] * 3


def test_a_post_that_is_not_sent_twice(played, facade):
    call = played.call(f"{facade} post_not_retried")
    assert [span.name for span in call.requests] == ["POST"]
    assert call.outer.attributes["resilient_client.stopped"] == "not_idempotent"
    assert (call.outer.status, call.statuses) == ("ERROR", ["ERROR"])


def test_a_status_that_is_not_expected(played, facade):
    call = played.call(f"{facade} not_found")
    assert (call.outer.status, call.outer.attributes["error.type"]) == ("ERROR", "client_error")
    assert (call.statuses, call.each("error.type")) == (["ERROR"], ["404"])
    assert call.each("http.response.status_code") == [404]


def test_the_same_status_when_it_is_expected(played, facade):
    call = played.call(f"{facade} expected_not_found")
    assert (call.outer.status, call.statuses) == ("UNSET", ["UNSET"])
    assert call.each("http.response.status_code") == [404]
    assert call.each("error.type") == [None]


def test_a_method_that_the_conventions_do_not_know(played, facade):
    plain, routed = played.calls(f"{facade} unknown_method")
    for call in (plain, routed):
        assert call.each("http.request.method") == ["_OTHER"]
        assert call.each("http.request.method_original") == ["PURGE"]
    assert [span.name for span in (*plain.requests, *routed.requests)] == ["HTTP", "HTTP /{what}"]


def test_a_call_inside_of_a_span_of_the_application(played, facade):
    call = played.call(f"{facade} inside_a_span")
    handling = played.by_the_application(f"handle {facade} inside_a_span")
    assert handling.parent == ""
    assert call.outer.parent == handling.id
    assert {span.trace for span in (call.outer, *call.requests)} == {handling.trace}
    assert len(call.requests) == 2


def test_two_calls_at_once_stay_apart(played, facade):
    calls = played.calls(f"{facade} two_at_once")
    assert calls[1].outer.started < calls[0].outer.ended
    for call in calls:
        (request,) = call.requests
        handling = played.by_the_application(f"{path_of(request)[1]} {facade} two_at_once")
        assert call.outer.parent == handling.id
        assert request.trace == call.outer.trace == handling.trace
    assert calls[0].outer.trace != calls[1].outer.trace


def test_two_calls_over_one_connection(played, facade):
    first, second = played.calls(f"{facade} two_calls")
    assert first.each("network.peer.port") == second.each("network.peer.port")
    assert second.each("http.request.resend_count") == [None]


@pytest.mark.parametrize(("scene", "kind"), [("reset", "reset"), ("refused", "connect")])
def test_a_connection_that_fails(played, facade, scene, kind):
    call = played.call(f"{facade} {scene}")
    assert (call.outer.status, call.outer.attributes["error.type"]) == ("ERROR", kind)
    assert (call.statuses, call.each("error.type")) == (["ERROR"], [kind])
    assert call.each("http.response.status_code") == [None]


def test_a_request_that_met_a_dead_connection_and_was_sent_over_a_new_one(played, facade):
    _, call = played.calls(f"{facade} stale_connection")
    assert (call.outer.status, call.statuses) == ("UNSET", ["ERROR", "UNSET"])
    assert call.each("http.request.resend_count") == [None, 1]


def test_a_challenge_that_is_answered(played, facade):
    call = played.call(f"{facade} digest")
    assert (call.outer.status, call.statuses) == ("UNSET", ["ERROR", "UNSET"])
    assert call.each("http.request.resend_count") == [None, 1]
    assert call.each("error.type") == ["401", None]
    assert call.each("http.response.status_code") == [401, 200]
    assert call.each("network.protocol.version") == ["1.1", "1.1"]


def test_a_call_over_tls(played, facade):
    scene = f"{facade} tls"
    call = played.call(scene)
    assert call.each("url.full") == [f"https://localhost:{played.report[scene]['port']}/x"]
    assert call.each("network.peer.address") == ["127.0.0.1"]


def test_a_call_over_http2(played):
    assert played.call("asynchronous http2").each("network.protocol.version") == ["2"]


def test_a_call_that_its_caller_leaves_is_no_error(played):
    call = played.call("asynchronous cancelled")
    assert (call.outer.status, call.statuses) == ("UNSET", ["UNSET"])
    assert call.outer.attributes["resilient_client.outcome"] == "cancelled"
    assert "error.type" not in call.outer.attributes
    assert call.each("error.type") == [None]


def test_without_an_instrumentation_to_delegate_to_a_request_carries_the_span_of_its_call(played, facade):
    call = played.call(f"{facade} delegated_to_nobody")
    assert call.requests == []
    assert played.seen(f"{facade} delegated_to_nobody") == [("/x", call.outer.traceparent)] * 2


# Beside OpenTelemetry's instrumentation of httpx.


@pytest.fixture(scope="module", params=["before", "after"])
def own(request):
    """httpx was instrumented before our import, or after it; we make the CLIENT spans."""
    return Played("own", request.param)


@pytest.fixture(scope="module", params=["before", "after"])
def delegate(request):
    """httpx was instrumented before our import, or after it; the instrumentation makes the CLIENT spans."""
    return Played("delegate", request.param)


REQUESTS = {
    "success": ["UNSET"],
    "retry_then_success": ["ERROR", "UNSET"],
    "attempt_timeout": ["ERROR", "UNSET"],
    "redirects": ["UNSET"] * 3,
    "reset": ["ERROR"],
}


def requests_in_traces_of_their_own(played, facade, scope):
    """Whoever makes the spans: one per request, below the call's, and what the server saw."""
    for scene, statuses in REQUESTS.items():
        name = f"{facade} {scene}"
        call = played.call(name)
        assert [(span.kind, span.scope) for span in call.requests] == [("CLIENT", scope)] * len(statuses)
        assert {span.trace for span in call.requests} == {call.outer.trace}
        assert call.statuses == statuses
        assert [traceparent for _, traceparent in played.seen(name)] == [span.traceparent for span in call.requests]
        in_trace = [span for span in played.spans if span.trace == call.outer.trace]
        assert len(in_trace) == 1 + len(statuses)
    for call in played.calls(f"{facade} two_at_once"):
        assert [span.scope for span in call.requests] == [scope]
        assert len([span for span in played.spans if span.trace == call.outer.trace]) == 3


def test_own_spans_are_not_doubled_by_the_instrumentation(own, facade):
    requests_in_traces_of_their_own(own, facade, OURS)


def test_own_spans_do_not_silence_the_instrumentation_for_others(own):
    (other,) = own.by_them()
    assert other.parent == ""


def test_delegated_spans_are_those_of_the_instrumentation_below_our_own_of_the_call(delegate, facade):
    requests_in_traces_of_their_own(delegate, facade, THEIRS)
    assert {span.kind for span in delegate.by_us()} == {"INTERNAL"}
