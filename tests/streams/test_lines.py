"""From pieces to text, lines and events: the same whatever the pieces are."""

import json
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_client import decoding
from resilient_client.lines import Events, Lines, Text

UTF8 = "text/plain; charset=utf-8"


def through(stage, pieces):
    found = []
    for piece in pieces:
        found += stage.feed(piece)
    return found + list(stage.end())


def cut(data, cuts):
    edges = sorted({0, len(data), *(position % (len(data) + 1) for position in cuts)})
    return [data[start:end] for start, end in zip(edges, edges[1:], strict=False)]


CUTS = st.lists(st.integers(0, 10_000), max_size=8)
TEXTS = st.text(st.sampled_from("ab\r\n\u2028\x0bü\U0001f4a3 "), max_size=40)


@given(TEXTS, CUTS)
def test_text_is_the_same_however_its_bytes_are_cut(text, cuts):
    assert "".join(through(Text(UTF8), cut(text.encode(), cuts))) == text


@given(TEXTS, CUTS)
def test_lines_are_the_same_however_their_bytes_are_cut(text, cuts):
    wanted = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if wanted[-1] == "":
        wanted.pop()
    assert through(Lines(UTF8), cut(text.encode(), cuts)) == wanted


def test_a_line_is_given_as_soon_as_it_is_whole():
    lines = Lines(UTF8)
    assert list(lines.feed(b"one\ntw")) == ["one"]
    assert list(lines.feed(b"o\r")) == ["two"]
    assert list(lines.feed(b"\nthree")) == []
    assert list(lines.end()) == ["three"]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        ("data: a\n\n", [("message", "a", "")]),
        ("data:a\n\n", [("message", "a", "")]),
        ("data:  a\n\n", [("message", " a", "")]),
        ("\ufeffdata: a\n\n", [("message", "a", "")]),
        ("data\n\ndata\ndata\n\n", [("message", "", ""), ("message", "\n", "")]),
        ("event: x\n\n", []),
        ("event: x\ndata: a\n\ndata: b\n\n", [("x", "a", ""), ("message", "b", "")]),
        (
            "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [("message", "a", "1"), ("message", "b", "1"), ("message", "c", "")],
        ),
        ("id: a\0b\ndata: a\n\n", [("message", "a", "")]),
        (": comment\ndata: a\n: more\n\n", [("message", "a", "")]),
        ("unknown: a\ndata: b\r\n\r\n", [("message", "b", "")]),
        ("data: a\r\rdata: b\r\r", [("message", "a", ""), ("message", "b", "")]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", [("message", "a", ""), ("message", "b", "")]),
        ("data: cut off", []),
        ("data: cut off\n", []),
    ],
)
@given(cuts=CUTS)
def test_events_are_those_of_the_standard_however_they_are_cut(stream, events, cuts):
    found = through(Events(), cut(stream.encode(), cuts))
    assert [(event.event, event.data, event.id) for event in found] == events


def test_empty_lines_are_kept_when_each_byte_comes_alone():
    assert through(Lines(UTF8), [b"a", b"\r", b"\n", b"\n", b"\r", b"\n", b"b"]) == ["a", "", "", "b"]


@pytest.mark.parametrize(
    ("stream", "retry"),
    [
        ("retry: 10\n\ndata: a\n\n", 10),
        ("retry: 10\ndata: a\n\n", 10),
        ("retry: soon\ndata: a\n\n", None),
        ("retry: \u0661\ndata: a\n\n", None),
        (f"retry: {'9' * 10_000}\ndata: a\n\n", None),
    ],
)
def test_the_pause_a_server_asks_for_is_kept(stream, retry):
    (event,) = through(Events(), [stream.encode()])
    assert (event.data, event.retry) == ("a", retry)


@pytest.mark.parametrize("charset", sorted({*aliases.values(), "nonsense", "idna", "undefined"}))
def test_no_charset_that_a_server_names_breaks_anything(charset):
    pieces = [b"plain \xff\xfe\x00", b"\x80\xc3", b"text\n"]
    assert all(isinstance(each, str) for each in through(Text(f"text/plain; charset={charset}"), pieces))


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "shift_jis", "gb18030"])
@given(TEXTS, CUTS, st.booleans())
def test_text_is_what_the_whole_body_would_be(charset, text, cuts, marked):
    content = text.encode(charset, "replace")
    content = content if marked else content.removeprefix("".encode(charset))
    content_type = f"text/plain; charset={charset}"
    assert "".join(through(Text(content_type), cut(content, cuts))) == decoding.text(content, content_type)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.integers()), max_size=5), CUTS)
def test_json_in_events_survives(documents, cuts):
    stream = "".join(f"data: {json.dumps(document)}\n\n" for document in documents)
    assert [json.loads(event.data) for event in through(Events(), cut(stream.encode(), cuts))] == documents
