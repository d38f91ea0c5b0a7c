"""`init`: a file to start from, which is sound, complete, and never in the way of what is there."""

from __future__ import annotations

import json
import re

import pytest

from resilient_client import Policy, load_policies
from resilient_client.config.client_keys import CLIENT_KEYS
from resilient_client.config.schema import json_schema
from resilient_client.policy import policy_keys

OFF = re.compile(r"^# (?=\w+ = )", re.MULTILINE)


@pytest.fixture
def file(cli, tmp_path):
    path = tmp_path / "services.toml"
    assert cli("init", path).code == 0
    return path


def test_without_a_name_it_has_the_one_that_is_looked_for(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = cli("init")
    assert (ran.code, ran.out, ran.err) == (0, "resilient-client.toml written\n", "")
    assert load_policies(environment={}).names == ("example",)


def test_what_it_writes_passes_the_check(cli, file):
    assert cli("check", file).out == f"{file}: 1 client, 1 route, no mistakes\n"


def test_it_begins_with_the_schema_for_editors(file):
    assert file.read_text().startswith("#:schema ./resilient-client.schema.json\n")


def test_its_tables_change_nothing_by_being_there(file):
    policies = load_policies(file, environment={})
    bare = {"presets": {"house": {"extends": "interactive", "retry": {"max_retry_after": "2s"}}}}
    expected = load_policies({**bare, "clients": {"example": {"extends": "house"}}}, environment={})
    assert policies.policy("example") == expected.policy("example")


def test_every_key_is_in_it(file):
    text = file.read_text()
    for name in (*CLIENT_KEYS, *(key[-1] for key, _ in policy_keys() if key[-1] not in {"wait", "stop"})):
        assert re.search(rf"^(# )?{name} = .+  # .+\.$|^\[clients\.example\.(retry\.)?{name}\]$", text, re.MULTILINE), (
            name
        )


def test_with_everything_switched_on_it_is_sound_and_has_the_defaults(cli, file):
    text = OFF.sub("", file.read_text()).replace('extends = "house"\n', "")
    assert text.count("\nuds = ") == 1  # a unix socket and a proxy exclude each other
    file.write_text("\n".join(line for line in text.split("\n") if not line.startswith("uds = ")))
    assert cli("check", file).out == f"{file}: 1 client, 1 route, no mistakes\n"
    assert load_policies(file, environment={}).policy("example") == Policy()


def test_it_fits_its_schema(file):
    jsonschema = pytest.importorskip("jsonschema")
    tomllib = pytest.importorskip("tomllib")
    for text in (file.read_text(), OFF.sub("", file.read_text())):
        jsonschema.validate(tomllib.loads(text), json_schema(), jsonschema.Draft202012Validator)


def test_the_schema_is_written_beside_it(cli, tmp_path):
    file, schema = tmp_path / "services.toml", tmp_path / "resilient-client.schema.json"
    assert cli("init", file, "--schema").out == f"{file} written\n{schema} written\n"
    assert json.loads(schema.read_text()) == json_schema()


def test_json_tells_what_was_written(cli, tmp_path):
    file, schema = tmp_path / "services.toml", tmp_path / "resilient-client.schema.json"
    assert json.loads(cli("init", file, "--json").out) == {"file": str(file), "schema": None}
    told = json.loads(cli("init", file, "--schema", "--force", "--json").out)
    assert told == {"file": str(file), "schema": str(schema)}


@pytest.mark.parametrize("there", ["services.toml", "resilient-client.schema.json"])
def test_what_is_there_stays(cli, tmp_path, there):
    (tmp_path / there).write_text("mine")
    ran = cli("init", tmp_path / "services.toml", "--schema")
    assert (ran.code, ran.out) == (2, "")
    assert f"{tmp_path / there} is there already; --force overwrites it" in ran.err
    assert ran.err.count("\n") == 1
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]


def test_a_link_to_nowhere_is_there(cli, tmp_path):
    (tmp_path / "services.toml").symlink_to(tmp_path / "target")
    ran = cli("init", tmp_path / "services.toml")
    assert ran.code == 2
    assert "is there already" in ran.err
    assert not (tmp_path / "target").exists()


def test_force_overwrites(cli, tmp_path):
    file = tmp_path / "services.toml"
    file.write_text("[[[")
    assert cli("init", file, "--force").code == 0
    assert cli("check", file).code == 0


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_place_that_takes_no_file_is_one_line_and_2(cli, tmp_path, force):
    for place in (tmp_path, tmp_path / "nowhere" / "services.toml", tmp_path / "pyproject.toml"):
        ran = cli("init", place, *force)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("resilient-client init: Invalid value for FILE: ")
        assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
