"""Whatever a file holds: it loads to something that can be shown, or says what is wrong. Nothing else, ever."""

import pytest
import tomli_w
from documents import DOCUMENTS, FULL, Spoiler
from hypothesis import given, settings

from resilient_client import ConfigError, load_policies


@settings(max_examples=200)
@given(DOCUMENTS)
def test_policies_that_are_dumped_and_loaded_are_equal(document):
    try:
        policies = load_policies(document, environment={})
    except ConfigError as refused:  # numbers drawn at random may contradict each other
        assert refused.problems
        return
    dumped = policies.dump()
    assert load_policies(dumped, environment={}) == policies


@settings(max_examples=50)
@given(document=DOCUMENTS)
def test_a_dump_written_as_toml_is_the_same_again(document, tmp_path_factory):
    try:
        policies = load_policies(document, environment={})
    except ConfigError:
        return
    path = tmp_path_factory.mktemp("dump") / "services.toml"
    path.write_text(tomli_w.dumps(policies.dump()), encoding="utf-8")
    assert load_policies(path, environment={}) == policies


def test_ten_thousand_spoilt_files_load_or_name_what_is_wrong(tmp_path):
    path = tmp_path / "spoilt.toml"
    loaded = 0
    for seed in range(10_000):
        path.unlink(missing_ok=True)  # a new file each time: writing over one waits for the disk
        path.write_bytes(Spoiler(seed).spoil(FULL))
        try:
            policies = load_policies(path, environment={})
        except ConfigError as refused:
            assert refused.problems, (seed, str(refused))
            assert all(one.where.startswith(f"{path}:") and one.said for one in refused.problems), seed
            unread = any(one.said.startswith(("not TOML", "not UTF-8")) for one in refused.problems)
            assert unread or all(one.key for one in refused.problems), (seed, str(refused))
        else:
            loaded += 1
            assert all(str(policies.explain(name)) for name in policies.names)
    assert loaded > 100


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 500_000 + "]" * 500_000,
        "a = " + "{ b = " * 160_000,
        "a." * 500_000 + "a = 1",
        "[" + "a." * 500_000 + "a]",
        "[[clients]]\n" * 80_000,
        "[clients.a]\nretry = " + "{ budget = " * 90 + "1" + " }" * 90,
        "clients = " + "[" * 150 + "]" * 150,
        "[clients.a]\ntimeouts.total = " + "9" * 1_000_000,
        'x = "' + "a" * 1_000_000,
        "x = '''" + "'" * 1_000_000,
        "#" * 1_000_000 + "\n" + "[" * 5,
        "\n" * 1_000_000 + "[clients.a]\nretri = 1",
        " " * 1_000_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_megabyte_of_nesting_or_of_nothing_ends_soon(tmp_path, text):
    path = tmp_path / "nested.toml"
    path.write_text(text)
    try:
        assert load_policies(path, environment={}).names == ()
    except ConfigError as refused:
        assert refused.problems


def test_a_key_that_stands_twice_is_told_with_its_line(policy_file):
    assert policy_file.write(
        """
        [clients.a]
        base_url = "http://a"
        base_url = "http://b"
        """
    ).mistake() == ("4", "clients.a.base_url", "not TOML: Cannot overwrite a value")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_a_file_in_another_encoding_says_so(tmp_path, encoding):
    path = tmp_path / "services.toml"
    path.write_bytes('[clients.münchen]\nbase_url = "http://a"\n'.encode(encoding))
    with pytest.raises(ConfigError, match="not UTF-8: byte 0x.* save the file as UTF-8"):
        load_policies(path)


def test_the_byte_order_mark_of_some_editors_is_no_mistake(tmp_path):
    path = tmp_path / "services.toml"
    path.write_text('[clients.a]\nbase_url = "http://a"\n', encoding="utf-8-sig")
    assert load_policies(path, environment={}).names == ("a",)


@pytest.mark.parametrize(
    "source",
    [
        {"clients": {5: {}}},
        {"clients": {"a": {3: 4}}},
        {"clients": {"a": {"retry": {None: 1}}}},
        {"clients": [1]},
        {"clients": {"a": {"timeouts": {"total": object()}}}},
        {"clients": {"a": {"headers": {"X": b"y"}}}},
        {"clients": {"a": {"routes": [None]}}},
        {"clients": {"a": {"routes": "GET /"}}},
        {("a",): 1},
    ],
    ids=repr,
)
def test_a_dict_of_the_wrong_shape_is_told_like_a_file(source):
    with pytest.raises(ConfigError) as caught:
        load_policies(source, environment={})
    assert all(one.key and one.said for one in caught.value.problems)


def test_a_time_that_gave_way_to_its_clients_total_is_dumped_as_a_plain_number():
    document = {
        "presets": {"q": {"timeouts": {"write": 0.0005}}},
        "clients": {
            "a": {
                "extends": "batch",
                "timeouts": {"total": 0.0005},
                "routes": [{"match": "GET /r", "extends": "q", "timeouts": {"total": "1s"}}],
            }
        },
    }
    policies = load_policies(document, environment={})
    assert load_policies(policies.dump(), environment={}) == policies
