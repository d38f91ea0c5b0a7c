"""On which line a key stands; the values themselves are tomllib's business."""

import tomllib

import tomli_w
from documents import DOCUMENTS, FULL
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_client.config.toml_lines import lines_of, too_long

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def paths_of(value, above=()):
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths_of(inner, (*above, key))


@settings(max_examples=300)
@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.booleans())
def test_every_key_and_element_of_any_document_is_found(document, multiline):
    text = tomli_w.dumps(document, multiline_strings=multiline)
    wanted = set(paths_of(tomllib.loads(text))) - {()}
    assert wanted <= set(lines_of(text)), text


@settings(max_examples=50)
@given(DOCUMENTS)
def test_the_line_of_a_plain_key_holds_that_key(document):
    text = tomli_w.dumps(document)
    lines = text.splitlines()
    for path, line in lines_of(text).items():
        if isinstance(path[-1], str) and path[-1].isidentifier():
            assert path[-1] in lines[line - 1]


def test_tables_arrays_dotted_keys_and_strings_of_many_lines_are_told_apart():
    text = (
        'a.b = """\n[x]\ny = 1\n"""\n'
        "[[c]]  # one\n'd e' = [\n  1, # }\n  {f = 2},\n]\n"
        "[[c]]\n\"g\" = '''\n\n'''\n[c.h]\ni.j = 3\n"
    )
    assert lines_of(text) == {
        **{("a",): 1, ("a", "b"): 1, ("c",): 5, ("c", 0): 5, ("c", 0, "d e"): 6, ("c", 0, "d e", 0): 7},
        **{("c", 0, "d e", 1): 8, ("c", 0, "d e", 1, "f"): 8, ("c", 1): 10, ("c", 1, "g"): 11},
        **{("c", 1, "h"): 14, ("c", 1, "h", "i"): 15, ("c", 1, "h", "i", "j"): 15},
    }


def test_a_key_of_too_many_parts_is_seen_before_tomllib_takes_minutes_over_it():
    many = "a." * 500_000 + "a = 1"
    assert too_long(many) == 0
    assert too_long("x = { " + "b . " * 40 + "b = 1 }") is not None
    assert too_long(FULL) is None
