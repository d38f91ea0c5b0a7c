"""Downloads in every world: what is asked for, what is put together, and what is left when it does not work out."""

import gzip
import hashlib
import json
import random

import pytest

from resilient_client import Breaker, Downloaded, FailureKind, Policy, Retry, RetryBudget, StopReason, Timeouts
from resilient_client.testing import steps

CONTENT = random.Random(5).randbytes(5000)
OTHER = random.Random(6).randbytes(5000)
QUICK = Retry(max_attempts=4, wait_initial=0.001, wait_max=0.002)
POLICY = Policy(retry=QUICK)
ONCE = Policy(retry=None)
SHA = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.bin"


def here(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def asked(world):
    """Return what each request asked for."""
    return [(seen.headers.get("range"), seen.headers.get("if-range")) for seen in world.journal.requests]


def served(world, *steps_of_file, **options):
    world.on("GET /f", *steps_of_file)
    return world.client(policy=POLICY, **options)


def test_a_file_comes_whole_to_its_place_and_leaves_nothing_beside_it(world, path):
    client = served(world, steps.file(CONTENT))
    result = client.download("/f", path)
    assert result.value == Downloaded(path, 5000, resumed=0, digest=None)
    assert (result.status, result.content, len(result.attempts)) == (200, b"", 1)
    assert path.read_bytes() == CONTENT
    assert here(path) == ["file.bin"]
    assert world.journal.requests[0].headers["accept-encoding"] == "identity"
    assert client.state().permits_in_use == 0


def test_a_body_that_dies_goes_on_where_it_did(world, path):
    client = served(world, steps.file(CONTENT, etag='"v1"', cut_after=2000), steps.file(CONTENT, etag='"v1"'))
    result = client.download("/f", path)
    assert path.read_bytes() == CONTENT
    assert asked(world) == [(None, None), ("bytes=2000-", '"v1"')]
    assert [(attempt.kind, attempt.status) for attempt in result.attempts] == [("truncated", 200), (None, 206)]
    assert (result.status, result.value.size, result.value.resumed) == (206, 5000, 2000)


def test_a_body_that_dies_twice_goes_on_twice(world, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    client = served(world, cut, cut, steps.file(CONTENT, etag='"v1"'))
    result = client.download("/f", path, digest=SHA)
    assert path.read_bytes() == CONTENT
    assert [range_of for range_of, _ in asked(world)] == [None, "bytes=2000-", "bytes=4000-"]
    assert result.value == Downloaded(path, 5000, 4000, SHA)


def test_a_failure_in_between_loses_nothing(world, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    client = served(world, cut, steps.status(503, "busy"), steps.reset(), steps.file(CONTENT, etag='"v1"'))
    policy = Policy(retry=Retry(max_attempts=4, wait_initial=0.001, wait=lambda _: 0.001))
    result = client.download("/f", path, policy=policy)
    assert path.read_bytes() == CONTENT
    assert [range_of for range_of, _ in asked(world)] == [None, "bytes=2000-", "bytes=2000-", "bytes=2000-"]
    assert result.value.resumed == 2000


def test_a_file_that_changed_is_taken_whole(world, path):
    client = served(world, steps.file(CONTENT, etag='"v1"', cut_after=2000), steps.file(OTHER, etag='"v2"'))
    result = client.download("/f", path)
    assert path.read_bytes() == OTHER
    assert (result.status, result.value.resumed) == (200, 0)


def test_a_file_that_changed_and_dies_again_goes_on_with_the_new_one(world, path):
    old, new = {"etag": '"v1"', "cut_after": 2000}, {"etag": '"v2"', "cut_after": 1000}
    client = served(world, steps.file(CONTENT, **old), steps.file(OTHER, **new), steps.file(OTHER, etag='"v2"'))
    client.download("/f", path)
    assert path.read_bytes() == OTHER
    assert asked(world)[-1] == ("bytes=1000-", '"v2"')


def test_a_server_that_ignores_ranges_sends_it_whole(world, path):
    cut = steps.file(CONTENT, cut_after=2000, ranges=False)
    client = served(world, cut, steps.file(CONTENT, ranges=False))
    assert client.download("/f", path).value.resumed == 0
    assert path.read_bytes() == CONTENT


def part(content, start, **fields):
    """Return a 206 of a server that says what it wants."""
    usual = {"ETag": '"v1"', "Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}
    headers = [(name.replace("_", "-"), value) for name, value in {**usual, **fields}.items() if value is not None]
    return steps.status(206, content, headers=headers)


UNFIT = {
    "a wrong start": part(CONTENT[1000:], 1000),
    "another total": part(CONTENT[2000:], 2000, Content_Range="bytes 2000-4999/6000"),
    "no Content-Range": part(CONTENT[2000:], 2000, Content_Range=None),
    "a Content-Range without sense": part(CONTENT[2000:], 2000, Content_Range="bytes 2000-1000/5000"),
    "another unit": part(CONTENT[2000:], 2000, Content_Range="lines 2000-4999/5000"),
    "another ETag": part(OTHER[2000:], 2000, ETag='"v2"'),
    "the same ETag made weak": part(OTHER[2000:], 2000, ETag='W/"v1"'),
    "a length that is not the range's": part(CONTENT[2001:], 2000),
    "several parts": part(b"--x\r\n", 2000, Content_Range=None, Content_Type="multipart/byteranges; boundary=x"),
    "a coded part": part(gzip.compress(CONTENT[2000:]), 2000, Content_Encoding="gzip"),
    "416 with another length": steps.status(416, headers=[("Content-Range", "bytes */6000")]),
    "416 without a length": steps.status(416),
}


@pytest.mark.parametrize("answer", UNFIT.values(), ids=UNFIT)
def test_a_part_that_does_not_fit_is_asked_for_as_a_whole_within_the_same_attempt(virtual, path, answer):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    virtual.on("GET /f", cut, answer, steps.file(OTHER, etag='"v3"'))
    policy = Policy(retry=Retry(max_attempts=2, wait_initial=0.001))
    result = virtual.client(policy=policy).download("/f", path)
    assert path.read_bytes() == OTHER
    assert asked(virtual) == [(None, None), ("bytes=2000-", '"v1"'), (None, None)]
    assert (result.status, result.value.resumed) == (200, 0)
    assert [attempt.kind for attempt in result.attempts] == ["truncated", None, None]


def test_it_starts_over_on_a_socket_as_well_and_over_the_same_connection(wire, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    client = served(wire, cut, UNFIT["a wrong start"], steps.file(OTHER))
    result = client.download("/f", path)
    assert path.read_bytes() == OTHER
    assert [attempt.reused for attempt in result.attempts] == [False, False, True]


def test_what_was_there_is_kept_until_the_new_one_has_begun(virtual, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    virtual.on("GET /f", cut, UNFIT["a wrong start"], steps.reset(), then=steps.reset())
    failure = virtual.client(policy=Policy(retry=Retry(max_attempts=2))).download("/f", path)
    assert (failure.kind, failure.sent) == ("reset", True)
    assert (path.parent / "file.bin.part").read_bytes() == CONTENT[:2000]


def test_a_part_that_was_not_asked_for_is_no_http(world, path):
    client = served(world, part(CONTENT[2000:], 2000))
    failure = client.download("/f", path, policy=ONCE)
    assert (failure.kind, failure.status) == ("protocol", 206)
    assert here(path) == []


def test_a_shorter_part_than_asked_for_is_gone_on_from(virtual, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    some = part(CONTENT[2000:3000], 2000, Content_Range="bytes 2000-2999/5000")
    client = served(virtual, cut, some, steps.file(CONTENT, etag='"v1"'))
    result = client.download("/f", path)
    assert path.read_bytes() == CONTENT
    assert [attempt.kind for attempt in result.attempts] == ["truncated", "truncated", None]


@pytest.mark.parametrize(
    "known",
    [
        {"etag": 'W/"v1"'},
        {"etag": None},
        {"etag": "unquoted"},
        {"etag": 'W/"v1"', "last_modified": "Tue, 02 Jan 2024 03:04:05 GMT"},
        {"etag": None, "last_modified": "yesterday"},
    ],
    ids=str,
)
def test_without_a_strong_validator_it_starts_over(virtual, path, known):
    client = served(virtual, steps.file(CONTENT, cut_after=2000, **known), steps.file(OTHER, **known))
    client.download("/f", path)
    assert path.read_bytes() == OTHER
    assert asked(virtual) == [(None, None), (None, None)]


def test_a_date_is_a_validator_where_there_is_no_etag(world, path):
    known = {"etag": None, "last_modified": "Tue, 02 Jan 2024 03:04:05 GMT"}
    client = served(world, steps.file(CONTENT, cut_after=2000, **known), steps.file(CONTENT, **known))
    client.download("/f", path)
    assert path.read_bytes() == CONTENT
    assert asked(world)[1] == ("bytes=2000-", "Tue, 02 Jan 2024 03:04:05 GMT")


def chunked(content, *end):
    """Serve `content` without saying how long it is."""
    from resilient_client.testing.script import Close, Data, Head

    fields = (("ETag", '"v1"'), ("Transfer-Encoding", "chunked"))
    return lambda _: [Head(200, fields), Data(content), *(end or (Close(),))]


def test_a_length_that_nobody_knew_is_learned_with_the_rest(world, path):
    told = []
    client = served(world, chunked(CONTENT[:2000]), steps.file(CONTENT, etag='"v1"'))
    client.download("/f", path, progress=lambda *numbers: told.append(numbers))
    assert path.read_bytes() == CONTENT
    assert told[0] == (0, None)
    assert told[-1] == (5000, 5000)


def test_a_file_that_was_whole_already_is_not_sent_again(world, path):
    client = served(world, chunked(CONTENT), steps.file(CONTENT, etag='"v1"'))
    result = client.download("/f", path, digest=SHA)
    assert path.read_bytes() == CONTENT
    assert asked(world)[1] == ("bytes=5000-", '"v1"')
    assert (result.status, result.value.size, result.value.resumed) == (416, 5000, 5000)


def test_a_coded_body_is_decoded_and_not_gone_on_with(world, path):
    coded = gzip.compress(CONTENT)
    fields = [("Content-Encoding", "gzip"), ("ETag", '"v1"')]

    def cut(_):
        from resilient_client.testing.script import Close, Data, Head

        return [Head(200, (*fields, ("Content-Length", str(len(coded))))), Data(coded[:2000]), Close()]

    client = served(world, cut, steps.status(200, coded, headers=fields))
    result = client.download("/f", path, digest=SHA)
    assert path.read_bytes() == CONTENT
    assert asked(world) == [(None, None), (None, None)]
    assert result.value.size == 5000


def test_an_empty_file_is_a_file(world, path):
    assert served(world, steps.file(b"")).download("/f", path).value.size == 0
    assert path.read_bytes() == b""


def test_the_target_is_as_it_was_until_the_new_one_is_whole(virtual, path):
    path.write_bytes(b"before")
    seen = []
    client = served(virtual, steps.file(CONTENT, cut_after=2000), steps.status(404, "gone"))
    failure = client.download("/f", path, progress=lambda *_: seen.append(path.read_bytes()))
    assert failure.status == 404
    assert path.read_bytes() == b"before"
    assert set(seen) == {b"before"}


# Digests.


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "blake2b", "SHA512"])
def test_a_right_digest_is_told(virtual, path, algorithm):
    digest = f"{algorithm}:{hashlib.new(algorithm.lower(), CONTENT).hexdigest().upper()}"
    result = served(virtual, steps.file(CONTENT)).download("/f", path, digest=digest)
    assert result.value.digest == digest.lower()


def test_a_wrong_digest_is_a_failure_that_is_not_repeated_and_leaves_nothing(world, path):
    path.write_bytes(b"before")
    client = served(world, steps.file(OTHER, etag='"v1"', cut_after=2000), steps.file(OTHER, etag='"v1"'))
    failure = client.download("/f", path, digest=SHA)
    assert (failure.kind, failure.stopped) == ("decode", StopReason.NOT_RETRYABLE)
    assert SHA in failure.message
    assert path.read_bytes() == b"before"
    assert here(path) == ["file.bin"]


def test_what_an_earlier_call_left_counts_for_the_digest(world, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    client = served(world, cut, steps.file(CONTENT, etag='"v1"'))
    assert not client.download("/f", path, policy=ONCE)
    assert client.download("/f", path, digest=SHA).value.resumed == 2000
    assert not served(world, cut, steps.file(CONTENT, etag='"v1"')).download("/f", path, policy=ONCE)
    left = path.parent / "file.bin.part"
    left.write_bytes(OTHER[:2000])
    assert client.download("/f", path, digest=SHA).kind == "decode"


# Policies.


def test_the_deadline_in_the_middle_leaves_a_part_that_the_next_call_goes_on_with(virtual, path):
    slow = steps.file(CONTENT, etag='"v1"', piece=500, every=1)
    client = served(virtual, slow)
    failure = client.download("/f", path, policy=Policy(timeouts=Timeouts(total=4.5)))
    assert (failure.kind, failure.stopped, failure.status) == ("deadline", "deadline", 200)
    assert (path.parent / "file.bin.part").read_bytes() == CONTENT[:2000]
    assert virtual.now() == pytest.approx(4.5)
    assert client.download("/f", path, policy=Policy(timeouts=Timeouts(total=9))).value.resumed == 2000
    assert path.read_bytes() == CONTENT


def test_the_deadline_in_the_middle_leaves_a_part_on_a_socket_as_well(wire, path):
    client = served(wire, steps.file(CONTENT, etag='"v1"', piece=500, every=0.1), steps.file(CONTENT, etag='"v1"'))
    failure = client.download("/f", path, policy=Policy(timeouts=Timeouts(total=0.5)))
    assert failure.kind == "deadline"
    left = (path.parent / "file.bin.part").read_bytes()
    assert CONTENT.startswith(left)
    assert client.download("/f", path).value.resumed == len(left)
    assert path.read_bytes() == CONTENT


def test_the_timeout_of_an_attempt_ends_with_the_first_bytes(virtual, path):
    client = served(virtual, steps.file(CONTENT, piece=500, every=1))
    policy = Policy(timeouts=Timeouts(attempt=2, read=2, total=60), breaker=Breaker(slow=2, min_calls=1), retry=None)
    assert client.download("/f", path, policy=policy)
    assert virtual.now() == pytest.approx(10)
    assert client.download("/f", path, policy=policy), "it was not slow: its first bytes came soon"


def test_the_timeout_of_an_attempt_holds_until_the_first_bytes(virtual, path):
    client = served(virtual, steps.file(CONTENT, piece=5000, every=3))
    failure = client.download("/f", path, policy=Policy(timeouts=Timeouts(attempt=2, total=60), retry=None))
    assert failure.kind == "attempt_timeout"
    assert here(path) == []


def test_a_silence_is_a_failed_attempt(virtual, path):
    def falls_silent(request):
        from resilient_client.testing.script import Pause

        *moves, _ = steps.file(CONTENT, etag='"v1"', cut_after=2000)(request)
        return [*moves, Pause(60)]

    client = served(virtual, falls_silent, steps.file(CONTENT, etag='"v1"'))
    policy = Policy(timeouts=Timeouts(read=2, attempt=5, total=30))
    result = client.download("/f", path, policy=policy)
    assert [attempt.kind for attempt in result.attempts] == ["read_timeout", None]
    assert result.value.resumed == 2000


def test_a_deadline_of_the_caller_does_not_count_against_the_server(virtual, path):
    client = served(virtual, steps.file(CONTENT, piece=500, every=1))
    policy = Policy(timeouts=Timeouts(total=4.5, attempt=2), breaker=Breaker(consecutive=1), retry=None)
    assert client.download("/f", path, policy=policy).kind == "deadline"
    assert client.download("/f", path, policy=policy).kind == "deadline"


def test_a_body_that_dies_counts_against_the_server(virtual, path):
    client = served(virtual, steps.file(CONTENT, cut_after=2000))
    policy = Policy(breaker=Breaker(consecutive=2), retry=Retry(max_attempts=9, wait_initial=0.001))
    failure = client.download("/f", path, policy=policy)
    assert (failure.kind, failure.stopped, len(failure.attempts)) == ("truncated", "rejected", 2)


def test_the_budget_rations_going_on(virtual, path):
    client = served(virtual, steps.file(CONTENT, cut_after=100))
    retry = Retry(max_attempts=9, wait_initial=0.001, budget=RetryBudget(burst=2, ratio=0, min_per_second=0))
    failure = client.download("/f", path, policy=Policy(retry=retry, breaker=None))
    assert (failure.stopped, len(failure.attempts)) == (StopReason.BUDGET, 3)
    assert (path.parent / "file.bin.part").stat().st_size == 300


def test_the_permit_is_back_during_backoff(virtual, path):
    client = served(virtual, steps.file(CONTENT, cut_after=2000), steps.file(CONTENT))
    held = []
    retry = Retry(wait=lambda _: held.append(client.state().permits_in_use) or 1.0)
    virtual.client(policy=Policy(retry=retry), kernels=client.kernels).download("/f", path, policy=Policy(retry=retry))
    assert held == [0]
    assert client.state().permits_in_use == 0


def test_a_file_that_is_too_large_is_not_begun(world, path):
    failure = served(world, steps.file(CONTENT)).download("/f", path, policy=Policy(max_body=4999))
    assert (failure.kind, failure.status) == (FailureKind.TOO_LARGE, 200)
    assert here(path) == []


def test_max_body_bounds_the_whole_file_also_when_it_is_gone_on_with(virtual, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    client = served(virtual, cut, steps.file(CONTENT, etag='"v1"'))
    assert client.download("/f", path, policy=Policy(max_body=4000, retry=None)).kind == "too_large"
    assert client.download("/f", path, policy=Policy(max_body=4000, retry=None)).kind == "too_large"
    client = served(virtual, chunked(CONTENT[:3000]), chunked(CONTENT))
    failure = client.download("/f", path, policy=Policy(max_body=4000))
    assert failure.kind == "too_large"
    assert len(failure.attempts) == 2


def test_more_than_was_announced_is_not_taken(virtual, path):
    def too_much(_):
        from resilient_client.testing.script import Data, End, Head

        fields = (("ETag", '"v1"'), ("Content-Range", "bytes 2000-4999/5000"), ("Transfer-Encoding", "chunked"))
        return [Head(206, fields), Data(CONTENT[2000:]), Data(b"and more"), End()]

    client = served(
        virtual, steps.file(CONTENT, etag='"v1"', cut_after=2000), too_much, steps.file(CONTENT, etag='"v1"')
    )
    result = client.download("/f", path)
    assert path.read_bytes() == CONTENT
    assert [attempt.kind for attempt in result.attempts] == ["truncated", "protocol", None]


# What is no file.


def test_an_answer_that_is_no_success_is_read_into_its_failure(world, path):
    failure = served(world, steps.status(404, "there is none")).download("/f", path)
    assert (failure.kind, failure.status, failure.content) == ("client_error", 404, b"there is none")
    assert here(path) == []


def test_an_expected_404_is_an_answer_and_no_file(world, path):
    result = served(world, steps.status(404, "there is none")).download("/f", path, expect={200, 404})
    assert (result.ok, result.status, result.content, result.value) == (True, 404, b"there is none", None)
    assert here(path) == []


@pytest.mark.parametrize("answer", [steps.redirect("/elsewhere"), steps.status(204), steps.status(202, "later")])
def test_what_is_below_400_and_has_no_file_is_no_success(virtual, path, answer):
    failure = served(virtual, answer).download("/f", path)
    assert failure.kind == "unexpected"
    assert here(path) == []


def test_redirects_are_followed_and_the_range_goes_along(world, path):
    world.on("GET /f", steps.redirect("/real"))
    world.on("GET /real", steps.file(CONTENT, etag='"v1"', cut_after=2000), steps.file(CONTENT, etag='"v1"'))
    result = world.client(policy=Policy(retry=QUICK, redirects=2)).download("/f", path)
    assert path.read_bytes() == CONTENT
    assert result.url.endswith("/real")
    assert asked(world) == [(None, None)] * 2 + [("bytes=2000-", '"v1"')] * 2


def test_the_condition_goes_along_to_another_origin(virtual, path):
    virtual.on("GET /f", steps.redirect("http://cdn.example/real"))
    virtual.on("GET /real", steps.file(CONTENT, etag='"v1"', cut_after=2000), steps.file(OTHER, etag='"v2"'))
    virtual.client(policy=Policy(retry=QUICK, redirects=2)).download("/f", path, headers={"X-Api-Key": "secret"})
    assert path.read_bytes() == OTHER
    assert asked(virtual)[-1] == ("bytes=2000-", '"v1"')
    assert virtual.journal.requests[-1].headers.get("x-api-key") is None


def test_headers_params_and_auth_are_those_of_every_verb(world, path):
    client = served(world, steps.require_digest(then=steps.file(CONTENT)))
    import httpx

    result = client.download("/f", path, params={"v": 1}, headers={"X-One": "1"}, auth=httpx.DigestAuth("me", "secret"))
    assert result.value.size == 5000
    assert world.journal.requests[-1].target == "/f?v=1"
    assert world.journal.requests[-1].headers["x-one"] == "1"


# Progress.


def test_progress_is_told_as_bytes_are_written(virtual, path):
    told = []
    client = served(virtual, steps.file(CONTENT, piece=1000, every=2))
    client.download("/f", path, progress=lambda *numbers: told.append(numbers))
    assert told[0] == (0, 5000)
    assert told[-1] == (5000, 5000)
    assert told == sorted(told)
    assert len(told) > 4


def test_progress_that_raises_loses_nothing_and_is_logged_once(world, path, caplog):
    def progress(done, total):
        raise ZeroDivisionError

    client = served(world, steps.file(CONTENT, cut_after=2000), steps.file(CONTENT))
    assert client.download("/f", path, progress=progress)
    assert path.read_bytes() == CONTENT
    assert [record.message for record in caplog.records if "progress= raised" in record.message] != []
    assert sum("progress= raised" in record.message for record in caplog.records) == 1


# Another call, another process.


def test_another_client_goes_on_with_what_is_there(world, path):
    cut = steps.file(CONTENT, etag='"v1"', cut_after=2000)
    client = served(world, cut, steps.file(CONTENT, etag='"v1"'))
    assert client.download("/f", path, policy=ONCE).kind == "truncated"
    assert here(path) == ["file.bin.part", "file.bin.part.json"]
    assert world.client().download("/f", path).value.resumed == 2000
    assert path.read_bytes() == CONTENT
    assert here(path) == ["file.bin"]


def test_another_url_does_not_go_on_with_it(virtual, path):
    virtual.on("GET /f", steps.file(CONTENT, etag='"v1"', cut_after=2000))
    client = virtual.client()
    client.download("/f?key=1", path, policy=ONCE)
    virtual.on("GET /f", steps.file(OTHER, etag='"v1"'))
    assert client.download("/f?key=2", path).value.resumed == 0
    assert path.read_bytes() == OTHER


def test_a_body_that_nothing_names_takes_the_place_of_one_that_something_did(world, path):
    named, unnamed = steps.file(CONTENT, etag='"v1"', cut_after=2000), steps.file(OTHER, etag=None, cut_after=1000)
    client = served(world, named, unnamed, steps.file(CONTENT, etag='"v1"'))
    client.download("/f", path, policy=ONCE)
    client.download("/f", path, policy=ONCE)
    assert client.download("/f", path).value.resumed == 0
    assert path.read_bytes() == CONTENT


def test_the_note_beside_it_holds_no_secret(virtual, path):
    client = served(virtual, steps.file(CONTENT, etag='"v1"', cut_after=2000))
    client.download("/f?token=hunter2&plain=word", path, policy=ONCE, headers={"Authorization": "Bearer hunter3"})
    note = (path.parent / "file.bin.part.json").read_text()
    assert json.loads(note).keys() == {"url_sha256", "validator", "total"}
    assert not any(secret in note for secret in ("hunter", "plain", "word", "/f"))


NOTES = [b"", b"{", b"[]", b'{"url_sha256": 1}', b"\xff\xfe", b"[" * 100_000, b'"x"']


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note[:12])
def test_a_note_that_is_none_is_as_if_there_were_no_part(virtual, path, note):
    client = served(virtual, steps.file(CONTENT))
    (path.parent / "file.bin.part").write_bytes(OTHER[:2000])
    (path.parent / "file.bin.part.json").write_bytes(note)
    assert client.download("/f", path).value.resumed == 0
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "change",
    [
        {"validator": ""},
        {"validator": None},
        {"validator": '"v1"\r\nX-Evil: 1'},
        {"validator": '"\u1234"'},
        {"total": 1999},
        {"total": -1},
        {"total": "5000"},
        {"total": True},
        {"url_sha256": "0" * 64},
    ],
    ids=str,
)
def test_a_note_that_cannot_be_is_not_believed(virtual, path, change):
    client = served(virtual, steps.file(CONTENT, etag='"v1"', cut_after=2000), steps.file(OTHER, etag='"v1"'))
    client.download("/f", path, policy=ONCE)
    file = path.parent / "file.bin.part.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert client.download("/f", path).value.resumed == 0
    assert path.read_bytes() == OTHER
