"""Which route a request has: the most specific one; two that overlap and are neither are a mistake."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_client import Client, ConfigError, Policy
from resilient_client.routing import Route, RouteTable, clashes
from resilient_client.testing import VirtualWorld, steps


def table(*routes):
    return RouteTable((Route.parse(route), route) for route in routes)


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("POST", "/charges/7", "POST /charges/{id}"),
        ("GET", "/charges/7", "/charges/{id}"),
        ("POST", "/charges/special", "POST /charges/special"),
        ("GET", "/charges/", None),
        ("GET", "/charges/7/", None),
        ("GET", "/charges/7/refunds", "GET /charges/{id}/{what}"),
        ("PUT", "/files/a/b/c", "/files/{name:path}"),
        ("GET", "/files/", "/files/{name:path}"),
        ("GET", "/files", None),
        ("GET", "/", "GET /"),
        ("GET", "/a%20b", "/a b"),
        ("GET", "/charges/a%2Fb", "/charges/{id}"),
    ],
)
def test_the_most_specific_route_is_found(method, path, found):
    routes = table(
        *("/charges/{id}", "POST /charges/{id}", "POST /charges/special", "GET /charges/{id}/{what}"),
        *("/files/{name:path}", "GET /", "/a%20b"),
    )
    match = routes.match(method, path)
    assert (match and match[1].replace("%20", " ")) == found


def test_a_longer_branch_that_leads_nowhere_is_left_again():
    routes = table("GET /a/b/c", "GET /a/{x}/d", "GET /{x:path}")
    assert routes.match("GET", "/a/b/d")[1] == "GET /a/{x}/d"
    assert routes.match("GET", "/a/b/e")[1] == "GET /{x:path}"
    assert routes.match("POST", "/a/b/c") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a/{x}", "/{y}/b"),
        ("GET /a/{x}", "/a/b"),
        ("/a/{x}", "/a/{y}"),
        ("/a/{x:path}", "/{y}/b/c"),
        ("/a/{x:path}", "/a/{y:path}"),
    ],
)
def test_routes_of_which_neither_is_more_specific_are_refused(one, other):
    for pair in ((one, other), (other, one)):
        with pytest.raises(ConfigError, match="neither is more specific|can never match"):
            table(*pair)


@pytest.mark.parametrize(
    ("one", "other"),
    [("/a/{x}", "/a/b"), ("GET /a", "POST /a"), ("GET /a", "/a"), ("/{x:path}", "/a/{y:path}"), ("/a/{x}", "/a/")],
)
def test_routes_of_which_one_is_more_specific_live_together(one, other):
    table(one, other)
    table(other, one)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("charges", "write it as 'POST /charges/{id}'"),
        ("POST charges", "write it as"),
        ("", "write it as"),
        ("CONNECT /x", "no method that a call can have"),
        ("GE T /x", "write it as"),
        ("GET,POST /x", "no method"),
        ("/x?y=1", "nothing behind it"),
        ("/x#y", "nothing behind it"),
        ("/a/../b", "it would never match"),
        ("/{a}{b}", "is no segment"),
        ("/v{a}", "is no segment"),
        ("/{}", "is no segment"),
        ("/{a:int}", "is no segment"),
        ("/{a:path}/b", "must be the last segment"),
    ],
)
def test_a_route_that_cannot_match_is_refused(text, said):
    with pytest.raises(ConfigError, match=said.replace("{", r"\{")):
        Route.parse(text)


SEGMENTS = st.sampled_from(["a", "b", "{x}", ""])
ROUTES = st.builds(
    lambda method, segments, rest: Route.parse(f"{method}/{'/'.join(segments + rest)}".strip()),
    st.sampled_from(["", "GET ", "POST "]),
    st.lists(SEGMENTS, min_size=1, max_size=3),
    st.sampled_from([[], ["{r:path}"]]),
)
PATHS = [
    "/" + "/".join(segments)
    for length in (1, 2, 3, 4)
    for segments in itertools.product(["a", "b", "c", ""], repeat=length)
]
REQUESTS = list(itertools.product(["GET", "POST", "PUT"], PATHS))


def matched_by(route):
    alone = RouteTable([(route, None)])
    return {request for request in REQUESTS if alone.match(*request)}


@settings(max_examples=100)
@given(ROUTES, ROUTES)
def test_covering_and_overlapping_are_what_the_sets_of_requests_say(one, other):
    first, second = matched_by(one), matched_by(other)
    assert one.covers(other) == (first >= second)
    assert one.overlaps(other) == bool(first & second)


@settings(max_examples=100)
@given(st.lists(ROUTES, unique=True, max_size=6))
def test_of_any_routes_that_do_not_clash_the_one_with_the_fewest_requests_is_found(routes):
    for clash in list(clashes(routes)):
        routes = [route for route in routes if route not in clash]
    sets = {route: matched_by(route) for route in routes}
    together = RouteTable((route, None) for route in routes)
    for request in REQUESTS[::7]:
        candidates = [route for route in routes if request in sets[route]]
        found = together.match(*request)
        assert (found and found[0]) == (min(candidates, key=lambda route: len(sets[route])) if candidates else None)


# Routes that code gives.


def test_a_client_takes_routes_from_code_in_every_world(world):
    world.on("/once", steps.status(503))
    client = world.client(routes={"GET /once": Policy(retry=None)})
    assert len(client.get("/once").attempts) == 1


def test_routes_are_matched_below_the_path_of_base_url_and_nowhere_else():
    world = VirtualWorld()
    world.on("/api/a", steps.status(500))
    world.on("/a", steps.status(500))
    client = world.client(base_url="http://x/api", routes={"/a": Policy(retry=None)}, allow_other_origins=True)
    assert len(client.get("a").attempts) == 1
    assert len(client.get("/a?b=c").attempts) == 1
    assert len(client.get("http://x/api/a").attempts) == 1
    assert len(client.get("http://y/a").attempts) == 3


@pytest.mark.parametrize(
    ("routes", "error", "said"),
    [
        ({"a": Policy()}, ConfigError, "routes: 'a': write it as"),
        ({"/a": None}, TypeError, "give a Policy"),
        (["/a"], TypeError, "give a mapping"),
        ({"/{a}": Policy(), "/{b}": Policy()}, ConfigError, "can never match"),
    ],
)
def test_wrong_routes_are_refused_when_the_client_is_made(routes, error, said):
    with pytest.raises(error, match=said):
        Client("a", routes=routes)
