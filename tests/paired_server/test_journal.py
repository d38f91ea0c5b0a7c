"""The journal on its own: what is entered can be asked for, and a failing assertion tells what was seen."""

from __future__ import annotations

import threading

import pytest

from resilient_client.headers import Headers
from resilient_client.testing.journal import Journal, Seen
from resilient_client.testing.script import Received


def enter(journal: Journal, method: str = "GET", target: str = "/", *, at: float = 0.0, key: str | None = None) -> Seen:
    headers = Headers([("Idempotency-Key", key)] if key else [])
    return journal.request_begun(Received(method, target, headers), at=at)


def answer(journal: Journal, seen: Seen, status: int = 200) -> None:
    journal.answered(seen, status)
    journal.request_ended(seen)


def test_requests_are_kept_in_order_with_their_outcome() -> None:
    journal = Journal()
    answer(journal, enter(journal, "GET", "/a?x=1"), 503)
    enter(journal, "POST", "/b")
    first, second = journal.requests
    assert (first.path, first.target, first.status) == ("/a", "/a?x=1", 503)
    assert (second.method, second.status, second.aborted) == ("POST", None, False)


def test_the_second_request_on_a_connection_reuses_it() -> None:
    journal = Journal()
    for connection in (1, 1, 2):
        journal.request_begun(Received("GET", "/", Headers(), connection=connection), at=0.0)
    assert [seen.reused for seen in journal.requests] == [False, True, False]


def test_most_at_once_counts_requests_in_progress() -> None:
    journal = Journal()
    first, second = enter(journal), enter(journal)
    answer(journal, first)
    answer(journal, second)
    answer(journal, enter(journal))
    assert (journal.most_at_once, journal.in_progress) == (2, 0)
    journal.assert_never_more_at_once_than(2)
    with pytest.raises(AssertionError, match="at most 1 requests at once, there were 2"):
        journal.assert_never_more_at_once_than(1)


def test_gaps_and_counts_can_be_of_one_path() -> None:
    journal = Journal()
    for at, target in ((1.0, "/a"), (1.5, "/b"), (3.0, "/a?again")):
        enter(journal, target=target, at=at)
    assert journal.gaps() == [0.5, 1.5]
    assert journal.gaps("/a") == [2.0]
    assert (journal.count(), journal.count("/a"), journal.count("/a", "POST"), journal.count(method="GET")) == (
        3,
        2,
        0,
        3,
    )
    journal.assert_gaps_at_least(2.0, "/a")
    with pytest.raises(AssertionError, match=r"some were 0\.500 s"):
        journal.assert_gaps_at_least(1.0)


def test_a_key_takes_effect_once_and_a_request_without_one_each_time() -> None:
    journal = Journal()
    for key in ("k", "k", None, None):
        answer(journal, enter(journal, "POST", key=key), 201)
    assert journal.effects == {"k": 1, None: 2}
    journal.assert_effects("k", 1)
    journal.assert_effects(None, 2)
    journal.assert_effects("never sent", 0)
    with pytest.raises(AssertionError, match="expected 2 effects of idempotency key 'k', there were 1"):
        journal.assert_effects("k", 2)


@pytest.mark.parametrize(("method", "status"), [("POST", 503), ("GET", 200), ("POST", 404)])
def test_failures_and_reads_have_no_effect(method: str, status: int) -> None:
    journal = Journal()
    answer(journal, enter(journal, method, key="k"), status)
    assert journal.effects == {}


def test_an_ended_request_does_not_become_aborted() -> None:
    journal = Journal()
    seen = enter(journal)
    answer(journal, seen)
    journal.request_ended(seen, aborted=True)
    assert not seen.aborted


def test_a_stream_reset_by_the_client_is_aborted_too() -> None:
    journal = Journal()
    seen = enter(journal)
    journal.request_ended(seen, reset_by_client=True)
    assert seen.aborted
    assert seen.reset_by_client


def test_bytes_and_connections_add_up() -> None:
    journal = Journal()
    assert (journal.connection_opened(), journal.connection_opened()) == (1, 2)
    journal.moved(bytes_in=3, bytes_out=4)
    journal.moved(bytes_out=1)
    assert (journal.connections_opened, journal.bytes_in, journal.bytes_out) == (2, 3, 5)
    journal.assert_connections(2)


def test_clear_forgets_but_numbers_connections_on() -> None:
    journal = Journal()
    journal.connection_opened()
    open_still = enter(journal)
    journal.clear()
    assert (journal.requests, journal.connections_opened, journal.most_at_once) == ([], 0, 1)
    assert journal.connection_opened() == 2
    journal.request_ended(open_still)
    assert journal.in_progress == 0


def test_a_failing_assertion_tells_the_story() -> None:
    journal = Journal()
    answer(journal, enter(journal, "GET", "/orders", at=10.0), 503)
    journal.request_ended(enter(journal, "POST", "/charges", at=10.25), aborted=True)
    journal.request_ended(enter(journal, "PUT", "/x", at=10.5), reset_by_client=True)
    with pytest.raises(AssertionError) as failed:
        journal.assert_requests(2)
    assert str(failed.value).splitlines() == [
        "expected 2 requests, 3 came; this was seen:",
        "  1. +0.000 s  GET /orders  connection 1 (new)  503",
        "  2. +0.250 s  POST /charges  connection 1 (reused)  no status, aborted by the client",
        "  3. +0.500 s  PUT /x  connection 1 (reused)  no status, reset by the client",
    ]


def test_an_empty_story_says_that_nothing_came() -> None:
    with pytest.raises(AssertionError, match="expected 1 requests to /a, 0 came; nothing was asked, 0 connections"):
        Journal().assert_requests(1, "/a")


def test_wait_until_sees_what_another_thread_enters() -> None:
    journal = Journal()
    other = threading.Thread(target=enter, args=(journal,))
    other.start()
    journal.wait_until(lambda seen: seen.count() == 1)
    other.join()


def test_wait_until_gives_up_with_the_story() -> None:
    journal = Journal()
    enter(journal, "GET", "/only")
    with pytest.raises(AssertionError, match="GET /only"):
        journal.wait_until(lambda seen: seen.count() > 1, timeout=0.01)
