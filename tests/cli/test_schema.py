"""`schema`: the JSON Schema of a policy file, on stdout or in a file."""

from __future__ import annotations

import json
import subprocess
import sys

from resilient_client.config.schema import json_schema


def test_it_is_printed_as_indented_json(cli):
    ran = cli("schema")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == json.dumps(json_schema(), indent=2) + "\n"


def test_it_is_json_with_json_too(cli):
    assert cli("schema", "--json").out == cli("schema").out


def test_it_is_written_to_a_file(cli, tmp_path):
    file = tmp_path / "schema.json"
    file.write_text("an older one")
    assert cli("schema", "-o", file).out == f"{file} written\n"
    assert file.read_text() == cli("schema").out
    assert json.loads(cli("schema", "-o", file, "--json").out) == {"schema": str(file)}


def test_a_place_that_takes_no_file_is_one_line_and_2(cli, tmp_path):
    for place in (tmp_path, tmp_path / "nowhere" / "schema.json"):
        ran = cli("schema", "-o", place)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("resilient-client schema: Invalid value for --output: cannot write ")
        assert ran.err.count("\n") == 1


def test_a_reader_that_leaves_early_gets_no_traceback():
    command = [sys.executable, "-W", "error", "-m", "resilient_client", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) == 1
