"""The kernel that decides how a download goes on: its table, and what holds for every answer there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client.headers import Headers
from resilient_client.transfers.resume import Complete, Contradiction, Have, Piece, StartOver, decide, validator_of

NEVER = 2_000_000_000.0
THERE = Have(40, '"v1"', 100)


def decided(asked, status, *, good=None, **fields):
    headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
    return decide(asked, status, headers, good=status < 400 if good is None else good, received=NEVER)


TABLE = [
    (Have(), 200, {"etag": '"v1"', "content_length": "100"}, Piece(0, 100, '"v1"', 100)),
    (Have(), 200, {"etag": '"v1"', "transfer_encoding": "chunked"}, Piece(0, None, '"v1"', None)),
    (Have(), 200, {"etag": '"v1"', "content_encoding": "gzip", "content_length": "9"}, Piece(0, None, None, None)),
    (Have(), 200, {"etag": '"v1"', "content_encoding": "identity", "content_length": "9"}, Piece(0, 9, '"v1"', 9)),
    (Have(), 203, {"content_length": "100"}, Piece(0, 100, None, 100)),
    (Have(), 404, {}, None),
    (Have(), 302, {}, None),
    (Have(), 416, {"content_range": "bytes */40"}, None),
    (Have(40, None, 100), 416, {"content_range": "bytes */40"}, None),
    (THERE, 200, {"etag": '"v2"', "content_length": "100"}, Piece(0, 100, '"v2"', 100)),
    (THERE, 206, {"content_range": "bytes 40-99/100", "etag": '"v1"'}, Piece(40, 100, '"v1"', 100)),
    (THERE, 206, {"content_range": "bytes 40-99/100"}, Piece(40, 100, '"v1"', 100)),
    (THERE, 206, {"content_range": "Bytes 40-99/*"}, Piece(40, 100, '"v1"', 100)),
    (THERE, 206, {"content_range": "bytes 40-59/100"}, Piece(40, 60, '"v1"', 100)),
    (Have(40, '"v1"'), 206, {"content_range": "bytes 40-99/100"}, Piece(40, 100, '"v1"', 100)),
    (THERE, 503, {}, None),
]


@pytest.mark.parametrize(("asked", "status", "fields", "decision"), TABLE, ids=str)
def test_the_table(asked, status, fields, decision):
    assert decided(asked, status, **fields) == decision


def test_a_status_that_was_not_expected_is_not_about_the_file():
    assert decided(Have(), 200, good=False, content_length="3") is None


def test_a_part_nobody_asked_for_is_a_contradiction():
    for nothing in (Have(), Have(40, None, 100), Have(0, '"v1"', 100)):
        assert isinstance(decided(nothing, 206, content_range="bytes 0-99/100"), Contradiction)
        assert nothing.fields() == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"content_range": "bytes 40-99/*"},
        {"content_range": "bytes 40-99"},
        {"content_range": "bytes */100"},
        {"content_range": "bytes 40-99/100, bytes 40-99/100"},
        {"content_range": "bytes 4٠-99/100"},
        {"content_range": "bytes 40-" + "9" * 5000 + "/100"},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_a_part_that_does_not_say_what_it_is_starts_over(fields):
    assert isinstance(decided(Have(40, '"v1"'), 206, **fields), StartOver)


@pytest.mark.parametrize(
    "fault",
    [
        {"content_range": "bytes 41-99/100"},
        {"content_range": "bytes 40-100/100"},
        {"content_range": "bytes 40-39/100"},
        {"content_range": "bytes 40-100/101"},
        {"content_length": "59"},
        {"content_encoding": "gzip"},
        {"etag": '"v2"'},
        {"etag": 'W/"v1"'},
    ],
    ids=str,
)
def test_one_thing_that_does_not_fit_is_enough_to_start_over(fault):
    fits = {"content_range": "bytes 40-99/100", "content_length": "60", "etag": '"v1"'}
    assert isinstance(decided(THERE, 206, **fits), Piece)
    assert isinstance(decided(THERE, 206, **{**fits, **fault}), StartOver)


def test_416_is_the_end_only_when_it_names_what_is_there():
    assert decided(Have(40, '"v1"', 40), 416, content_range="bytes */40") == Complete()
    assert decided(Have(40, '"v1"'), 416, content_range="bytes */40", etag='"v1"') == Complete()
    assert isinstance(decided(Have(40, '"v1"'), 416, content_range="bytes */40", etag='"v2"'), StartOver)
    assert isinstance(decided(Have(40, '"v1"', 50), 416, content_range="bytes */40"), StartOver)
    assert isinstance(decided(Have(40, '"v1"'), 416, content_range="bytes */41"), StartOver)
    assert isinstance(decided(Have(40, '"v1"'), 416), StartOver)


# Validators.

DATE = "Tue, 02 Jan 2024 03:04:05 GMT"


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ({"etag": '"v1"'}, '"v1"'),
        ({"etag": '"v1"', "last-modified": DATE}, '"v1"'),
        ({"etag": 'W/"v1"', "last-modified": DATE}, None),
        ({"etag": '""', "last-modified": DATE}, None),
        ({"etag": "v1"}, None),
        ({"etag": '"v1", "v2"'}, None),
        ({"etag": '"v 1"'}, None),
        ({"last-modified": DATE}, DATE),
        ({"last-modified": DATE, "date": "Tue, 02 Jan 2024 03:04:06 GMT"}, DATE),
        ({"last-modified": DATE, "date": DATE}, None),
        ({"last-modified": DATE, "date": "Tue, 02 Jan 2024 03:04:00 GMT"}, None),
        ({"last-modified": "yesterday"}, None),
        ({"last-modified": ""}, None),
        ({}, None),
    ],
    ids=str,
)
def test_what_names_a_representation(fields, validator):
    assert validator_of(Headers(fields.items()), NEVER) == validator


def test_a_date_of_this_very_second_names_nothing():
    from resilient_client.http_dates import timestamp

    assert validator_of(Headers([("last-modified", DATE)]), timestamp(DATE) + 0.5) is None


# Whatever a server answers.

numbers = st.integers(0, 120).map(str) | st.sampled_from(["*", "", "-1", "x"])
ranges = st.builds("bytes {}-{}/{}".format, numbers, numbers, numbers) | st.builds("bytes */{}".format, numbers)
tags = st.sampled_from(['"v1"', '"v2"', 'W/"v1"', "v1"])
answers = st.fixed_dictionaries(
    {},
    optional={
        "content-range": ranges,
        "content-length": numbers,
        "etag": tags,
        "last-modified": st.sampled_from([DATE, "Wed, 03 Jan 2024 03:04:05 GMT"]),
        "content-encoding": st.sampled_from(["gzip", "identity", "br"]),
        "transfer-encoding": st.just("chunked"),
        "content-type": st.sampled_from(["text/plain", "multipart/byteranges; boundary=x"]),
    },
)
haves = st.builds(
    lambda size, validator, more: Have(size, validator, None if more is None else size + more),
    st.integers(0, 100),
    st.sampled_from([None, '"v1"', DATE]),
    st.none() | st.integers(0, 20),
)


@given(haves, st.sampled_from([200, 203, 204, 206, 301, 404, 416, 500]), answers)
def test_bytes_are_only_added_to_bytes_of_the_same_thing(asked, status, fields):
    decision = decide(asked, status, Headers(fields.items()), good=status < 300, received=NEVER)
    if isinstance(decision, Piece) and decision.start > 0:
        assert status == 206
        assert (decision.start, decision.validator) == (asked.size, asked.validator)
        assert asked.validator is not None
        assert asked.total in {None, decision.total}
        assert decision.start < decision.end <= decision.total
        assert fields["content-range"].startswith(f"bytes {asked.size}-{decision.end - 1}/")
        assert fields.get("content-encoding", "identity") == "identity"
        if asked.validator == '"v1"':
            assert fields.get("etag", '"v1"') == '"v1"'
        else:
            assert fields.get("last-modified", DATE) == DATE


@given(haves, st.sampled_from([200, 206, 416, 503]), answers)
def test_it_never_starts_over_when_everything_was_asked_for(asked, status, fields):
    if not asked.can_go_on:
        decision = decide(asked, status, Headers(fields.items()), good=status < 300, received=NEVER)
        assert not isinstance(decision, (StartOver, Complete))


@given(haves, answers)
def test_it_is_complete_only_with_as_many_bytes_as_the_server_has(asked, fields):
    decision = decide(asked, 416, Headers(fields.items()), good=False, received=NEVER)
    if isinstance(decision, Complete):
        assert fields["content-range"] == f"bytes */{asked.size}"
        assert asked.total in {None, asked.size}


@given(haves)
def test_a_range_is_never_asked_for_without_its_condition(asked):
    names = [name for name, _ in asked.fields()]
    assert names in ([], [b"Range", b"If-Range"])
    assert bool(names) == (asked.size > 0 and asked.validator is not None)
