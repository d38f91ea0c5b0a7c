"""A URL that is plain comes to what the parser makes of it."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client.errors import ConfigError
from resilient_client.wire.plain_urls import plain_parts, plain_target
from resilient_client.wire.urls import Base

PIECES = st.sampled_from(
    [
        *(
            "a",
            "orders",
            "/",
            "/",
            ".",
            "..",
            "-",
            "~",
            "_",
            "7",
            "%2F",
            "%",
            "?",
            "=",
            "&",
            "#",
            ":",
            "//",
            "\\",
            " ",
            "ü",
            "+",
            "'",
        ),
        "\n",
    ]
)
URLS = st.lists(PIECES, max_size=8).map("".join)
PLACES = st.sampled_from(
    [
        "http://api.test",
        "https://api.test:8443",
        "http://api.test:80",
        "http://127.0.0.1:81",
        "http://a..b",
        "http://1.2.3.4.5",
        "http://API.test",
    ]
)


def joined(base: Base, url: str, *, by_parser: bool) -> object:
    try:
        return (base._join_any if by_parser else base._join_new)(url)
    except ConfigError as problem:
        return str(problem)


@given(url=URLS, prefix=st.sampled_from(["", "/", "/v1", "/v1/", "/a%20b"]))
def test_a_relative_url_is_joined_as_the_parser_would(url: str, prefix: str) -> None:
    base = Base("http://api.test" + prefix)
    assert joined(base, url, by_parser=False) == joined(base, url, by_parser=True)


@given(urls=st.lists(st.tuples(PLACES, URLS), min_size=1, max_size=4))
def test_an_absolute_url_is_taken_apart_as_the_parser_would(urls: list[tuple[str, str]]) -> None:
    base = Base(None)
    for place, target in urls:
        url = f"{place}/{target}"
        assert joined(base, url, by_parser=False) == joined(base, url, by_parser=True)


VALUES = st.one_of(
    st.text(max_size=5), st.none(), st.booleans(), st.integers(), st.lists(st.text(max_size=3), max_size=3)
)


@given(
    params=st.one_of(
        st.dictionaries(st.text(max_size=4), VALUES, max_size=3),
        st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=3),
        st.sampled_from(["a=b", "a=b&a=c", "a b", b"x=y"]),
    ),
    target=st.sampled_from(["/orders", "/orders?a=1", "/orders?a=1&b=+%20", "/"]),
)
def test_params_are_written_as_httpx_writes_them(params: object, target: str) -> None:
    own = httpx.URL("http://api.test" + target)
    added = httpx.QueryParams(params).multi_items()
    expected = own.copy_with(params=httpx.QueryParams([*own.params.multi_items(), *added]))
    assert Base("http://api.test").join(target, params).text == str(expected)


@pytest.mark.parametrize("url", ["/orders/7", "orders", "/a-b/c.d/~e_f/", "/orders?page=2&q=x"])
def test_what_is_plain_needs_no_parser(url: str) -> None:
    assert plain_target(url) == url.lstrip("/")
    assert plain_parts(f"http://api.test/{url.lstrip('/')}") is not None


@pytest.mark.parametrize("url", ["", "/", "/a/../b", "/.a", "//host", "/a%2Fb", "/a?", "/a#b", "a:b", "/a" * 5000])
def test_what_is_not_plain_is_left_to_the_parser(url: str) -> None:
    assert plain_target(url) is None


def test_deciding_takes_no_longer_than_the_url() -> None:
    """A pattern that could split it in many ways would not come to an end here."""
    assert plain_target("/" + "a" * 7000 + "%") is None
    assert plain_target("/a." * 2000 + "/..") is None


def test_a_client_without_base_remembers_no_more_places_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resilient_client.wire.urls.MAX_PLACES", 2)
    base = Base(None)
    assert [base.join(f"http://host{number}/x").host for number in range(4)] == ["host0", "host1", "host2", "host3"]
    assert list(base._places) == ["http://host0", "http://host1"]
