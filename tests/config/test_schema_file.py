"""The JSON Schema that is kept for editors is the one that the code makes."""

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest
from documents import FULL

from resilient_client.config.schema import json_schema

FILE = Path(__file__).parents[2] / "docs" / "resilient-client.schema.json"
COMMAND = "resilient-client schema -o docs/resilient-client.schema.json"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_it_is_current():
    kept = FILE.read_text(encoding="utf-8")
    assert json.loads(kept) == json_schema(), f"docs/{FILE.name} is out of date; run: {COMMAND}"
    assert kept == json.dumps(json_schema(), indent=2) + "\n", f"it is written otherwise; run: {COMMAND}"


def test_it_takes_a_file_that_uses_everything(validator):
    assert list(validator.iter_errors(tomllib.loads(FULL))) == []


@pytest.mark.parametrize(
    "text",
    [
        "[clients.a]\nretri = 1\n",
        "[clients.a]\nredirects = 11\n",
        '[clients.a]\ntimeouts = { total = "2.5s" }\n',
        "[[clients.a.routes]]\nredirects = 1\n",
        '[clients.a]\nbreaker = "on"\n',
        '[presets.a]\nbase_url = "http://a"\n',
    ],
)
def test_it_refuses_what_a_file_may_not_say(validator, text):
    assert list(validator.iter_errors(tomllib.loads(text)))
