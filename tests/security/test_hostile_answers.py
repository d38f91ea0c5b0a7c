"""What a server may say to hurt its callers: where to go, how long to wait, what to keep, and what to repeat."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client import CallFailed, FailureKind, Policy, Retry, StopReason, Timeouts
from resilient_client.headers import Headers
from resilient_client.redact import redact_url
from resilient_client.retry_after import LONGEST, retry_after
from resilient_client.testing import VirtualWorld, steps
from resilient_client.testing.script import Close, Data, End, Head, Raw

SECRET = "hunter2hunter2"
FOLLOW = Policy(redirects=5, retry=None)


def answer(status, *fields):
    """An answer with these fields, byte for byte."""
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n" + b"".join(field + b"\r\n" for field in fields)
    return lambda _: iter([Raw(head + b"\r\n"), Close()])


def sent_to(location, **options):
    """Follow a redirect to `location`; the result, and the requests after the first."""
    world = VirtualWorld()
    world.on("/a", answer(b"302 Found", b"Location: " + location.encode("utf-8")))
    result = world.client(policy=FOLLOW, **options).get("/a")
    return result, world.journal.requests[1:]


# Where to go.

REFUSED = [
    *("file:///etc/passwd", "javascript:alert(1)", "data:text/plain,hi", "gopher://x/", "ftp://x/", "ws://x/"),
    *("mailto:a@b", "blob:http://x/", "view-source:http://x/", "http+unix://x/", "about:blank", "jar:http://x!/"),
    *("http://a@b/", "http://a:b@c/", "http://a:@c/", "http://:b@c/", "//a:b@c/", "http://x\\@evil.example/"),
    *("http://x:0/", "http://x:99999/", "http://x:-1/", "http://x:80:80/", "http://x:8 0/", "http://x:\u0664/"),
    *("http:///x", "http:x", "https:/x", "http:\\\\x\\y", "http://", "http://.", "http://..x/"),
    *("http://\u202eevil/", "http://exa mple/", "http://%65vil.example/", "http://127.0.0.1%00.x/", "http://a,b/"),
    *("http://[::1", "http://[v1.x]/", "http://x/\x7f", "/x\ty", "http://127.1.1.1.1%2f/"),
    *("/" + "a" * 80_000, "http://" + "a" * 80_000 + "/", "http://" + "a." * 40_000, "x" * 80_000 + ":"),
]


@pytest.mark.parametrize("location", REFUSED, ids=lambda location: ascii(location[:30]))
def test_no_one_is_sent_to_a_place_that_is_none(location):
    result, followed = sent_to(location)
    assert (result.kind, result.stopped) == (FailureKind.REDIRECT, StopReason.NOT_RETRYABLE)
    assert followed == []
    assert len(result.message) < 1500


@pytest.mark.parametrize("location", ["//evil.example/x", "http://evil.example/x", "HTTP://EVIL.example/x"])
def test_another_host_gets_nothing_that_was_meant_for_the_first(location):
    secret = {"Authorization": SECRET, "Cookie": SECRET, "X-Api-Key": SECRET, "X-Whatever": SECRET}
    _, (request,) = sent_to(location, headers=secret, auth=("me", SECRET))
    assert request.headers["host"].lower() == "evil.example"
    assert SECRET not in str(request.headers.pairs)


@pytest.mark.parametrize(
    "location", ["/b\r\nX-Injected: 1", "/b\nX-Injected: 1", "/b\rX-Injected: 1", "/b%0d%0aX-Injected: 1", "/b\0"]
)
def test_no_location_becomes_a_field_of_the_next_request(location):
    _, followed = sent_to(location)
    assert all("x-injected" not in request.headers for request in followed)


def test_a_location_given_twice_is_the_first():
    world = VirtualWorld()
    world.on("/a", answer(b"302 Found", b"Location: /b", b"Location: http://evil.example/"))
    world.on("/b", steps.ok())
    assert world.client(policy=FOLLOW).get("/a").url == "http://far.side/b"


def test_a_loop_that_changes_its_query_ends_with_the_hops(world):
    def onwards(received):
        return iter([Head(302, (("Location", f"/a?{received.number}"),)), Data(b""), End()])

    world.on("/a", onwards)
    result = world.client(policy=FOLLOW).get("/a")
    assert (result.kind, len(result.attempts)) == (FailureKind.REDIRECT, 6)
    world.journal.assert_requests(6)


def test_from_https_nobody_is_sent_to_http_under_any_spelling():
    for location in ("http://far.side/b", "HTTP://far.side/b", "//far.side/b"):
        world = VirtualWorld()
        world.on("/a", answer(b"302 Found", b"Location: " + location.encode()))
        result = world.client(base_url="https://far.side", policy=FOLLOW).get("/a")
        assert (result.kind is FailureKind.REDIRECT) is not location.startswith("//")


@given(st.text(max_size=60))
def test_no_location_makes_a_call_raise(location):
    world = VirtualWorld()
    world.on("/a", steps.status(302, headers=[("Location", location.encode("utf-8").decode("latin-1"))]))
    world.client(policy=Policy(redirects=1, retry=None)).get("/a")


# How long to wait.

NEVER_WAITED = [
    *("-1", "-0", "1e308", "nan", "inf", "Infinity", "0x10", "1_000", "+5", "5 5", "5,10", "\u0663", "\u00b2", ""),
    *("soon", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "Sat, 31 Dec 1899 23:59:59 GMT"),
    *("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, " * 10_000, "1." * 30_000, "0." + "0" * 5_000, "0"),
]


@pytest.mark.parametrize("value", NEVER_WAITED, ids=lambda value: ascii(value[:30]))
def test_what_is_no_time_to_wait_for_is_not_waited_for(value):
    assert retry_after(Headers([("Retry-After", value)])) is None


ENDLESS = ["9" * 310, "9" * 5000, "9" * 90_000, "9" * 400 + ".5"]


@pytest.mark.parametrize("field", ["Retry-After", "Retry-After-Ms"])
@pytest.mark.parametrize("value", ENDLESS, ids=lambda value: value[:30])
def test_who_is_told_to_wait_for_ever_does_not_wait_at_all(virtual, field, value):
    virtual.on("/", steps.status(503, headers=[(field, value)]))
    result = virtual.client().get("/")
    assert (result.stopped, result.retry_after) == (StopReason.RETRY_AFTER_TOO_LONG, LONGEST)
    assert result.elapsed < 1
    virtual.journal.assert_requests(1)


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:01 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "never", "\xff"])
def test_a_clock_that_lies_makes_nobody_wait_long(virtual, date):
    wish = [("Date", date), ("Retry-After", "Wed, 21 Oct 2065 07:28:00 GMT")]
    virtual.on("/", steps.status(503, headers=wish), then=steps.ok())
    assert virtual.client().get("/").elapsed < 2


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ([("Retry-After", "5"), ("Retry-After", "10"), ("Retry-After", "soon")], 10),
        ([("Retry-After-Ms", "1500"), ("Retry-After", "10")], 1.5),
        ([("Retry-After-Ms", "soon"), ("Retry-After", "10")], 10),
        ([("Retry-After-Ms", "-5"), ("Retry-After", "10")], 10),
        ([("Retry-After-Ms", "0"), ("Retry-After", "10")], None),
        ([("Retry-After-Ms", "100"), ("Retry-After-Ms", "200")], 0.2),
        ([("Retry-After", "5")] * 200, 5),
    ],
)
def test_of_several_wishes_one_holds(fields, seconds):
    assert retry_after(Headers(fields)) == seconds


@given(
    st.lists(st.tuples(st.sampled_from(["Retry-After", "Retry-After-Ms", "Date"]), st.text(max_size=40)), max_size=4)
)
def test_no_wish_makes_it_raise_or_is_more_than_can_be_said(fields):
    wish = retry_after(Headers(fields))
    assert wish is None or 0 < wish <= LONGEST


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_no_date_makes_anybody_wait_longer_than_the_policy(value, moment):
    world = VirtualWorld()
    world.on("/", steps.status(429, headers=[("Retry-After", str(value)), ("Retry-After-Ms", str(moment))]))
    patience = Policy(retry=Retry(max_attempts=2, max_retry_after=3), timeouts=Timeouts(total=None, attempt=None))
    assert world.client(policy=patience).get("/").elapsed <= 3 + 5


# What to keep.


def test_no_cookie_is_kept(world):
    cookies = [("Set-Cookie", "session=1; Path=/; Domain=far.side"), ("Set-Cookie2", "a=b"), ("Cookie", "c=d")]
    world.on("/", steps.status(200, headers=[*cookies, ("Location", "/"), ("Alt-Svc", 'h3=":443"; ma=9999')]))
    world.on("/a", steps.status(302, headers=[("Location", "/"), *cookies]))
    world.on("/503", steps.status(503, headers=cookies), then=steps.ok())
    client = world.client(policy=Policy(redirects=1, retry=Retry(wait_initial=0.001, wait_max=0.001)))
    for path in ("/", "/a", "/503", "/"):
        assert client.get(path).ok
    assert all("cookie" not in request.headers for request in world.journal.requests)
    assert len(world.journal.requests) == 6


@pytest.mark.parametrize("name", ["Strict-Transport-Security", "Alt-Svc", "Refresh", "Clear-Site-Data"])
def test_nothing_a_server_says_of_later_calls_changes_one(world, name):
    world.on("/", steps.status(200, headers=[(name, 'max-age=1; url="/b"; h2="evil.example:443"')]))
    client = world.client()
    first, second = client.get("/"), client.get("/")
    assert (first.url, first.status) == (second.url, second.status)
    world.journal.assert_connections(1)


# What to repeat.


def told(result):
    raised = ""
    try:
        result.unwrap()
    except CallFailed as failed:
        raised = f"{failed} {failed!r}"
    return f"{result!r} {result.explain()} {getattr(result, 'message', '')} {raised}"


REFLECTIONS = [
    answer(b"200 OK", b"Set-Cookie: " + SECRET.encode() + b"\0"),
    answer(b"200 OK", b"Authorization " + b": " + SECRET.encode()),
    answer(b"302 Found", b"Location: http://evil .example/?token=" + SECRET.encode()),
    answer(b"302 Found", b"Location: http://x/?a?token=" + SECRET.encode() + b"\x7f"),
    answer(b"302 Found", b"Location: http://me:" + SECRET.encode() + b"@x:99999/"),
    answer(b"401 No", b'WWW-Authenticate: Bearer error="' + SECRET.encode() + b'"'),
    answer(b"503 " + SECRET.encode()),
    steps.status(500, SECRET),
    steps.status(500, headers=[("Set-Cookie", SECRET), ("X-Api-Key", SECRET)]),
]


@pytest.mark.parametrize("step", REFLECTIONS, ids=range(len(REFLECTIONS)))
def test_a_credential_that_a_server_sends_back_is_in_nothing_that_is_told(world, step):
    world.on("/x", step)
    client = world.client(policy=FOLLOW, headers={"Authorization": f"Bearer {SECRET}"})
    assert SECRET not in told(client.get(f"/x?token={SECRET}"))


@pytest.mark.parametrize(
    "step", [answer(b"200 OK", b"X: " + b"x" * 90_000 + b"\0"), steps.wrong_encoding("x" * 90_000)]
)
def test_a_message_stays_readable_however_much_a_server_says(world, step):
    world.on("/", step)
    assert len(world.client(policy=FOLLOW).get("/").message) < 1000


@pytest.mark.parametrize("filling", ["?", "//", "&", ";", "=", "?a", ";=", "%41", "@", ":", "?&;"])
def test_hiding_credentials_takes_no_longer_for_a_hostile_url(filling):
    started = time.perf_counter()
    for url in (filling * (60_000 // len(filling)), f"http://{filling * (60_000 // len(filling))}@x/?token=a"):
        redact_url(url)
    assert time.perf_counter() - started < 2  # what grew with the square took half a minute


def test_a_question_mark_in_a_query_hides_no_credential_from_being_hidden():
    assert redact_url(f"/x?a?token={SECRET}&b=1") == "/x?a?token=REDACTED&b=1"
