"""The schema in the hands of those who use it: taplo, and any validator of JSON Schema."""

import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
from documents import DOCUMENTS, FULL
from hypothesis import given, settings

from resilient_client import ConfigError, load_policies
from resilient_client.config.schema import json_schema

SCHEMA = Path(__file__).parents[2] / "docs" / "resilient-client.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@settings(max_examples=100)
@given(DOCUMENTS)
def test_what_loads_fits_the_schema(document):
    try:
        load_policies(document, environment={})
    except ConfigError:
        return
    assert list(VALIDATOR.iter_errors(document)) == []


def taplo(folder, text):
    """Check a file with taplo as an editor does: by the `#:schema` of its first line."""
    shutil.copy(SCHEMA, folder / "resilient-client.schema.json")
    (folder / "services.toml").write_text(text)
    program = Path(sys.executable).with_name("taplo")
    return subprocess.run(
        [program, "check", "services.toml"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_taplo_finds_the_schema_and_takes_a_right_file(tmp_path):
    done = taplo(tmp_path, FULL.strip() + "\n")
    assert done.returncode == 0, done.stderr


def test_taplo_shows_a_misspelt_key(tmp_path):
    done = taplo(tmp_path, FULL.strip().replace("max_attempts", "max_atempts") + "\n")
    assert done.returncode != 0
    assert "max_atempts" in done.stderr
