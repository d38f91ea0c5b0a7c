"""A run goes on when a part of it fails, keeps what it has, and says how to repeat the rest."""

import json
import sys

import pytest

from bench import __main__ as run
from bench import imports, layers


@pytest.fixture
def started(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "RESULTS", tmp_path)

    def start(*options):
        monkeypatch.setattr(sys, "argv", ["python -m bench", *options])
        return run.main()

    return start


def test_a_part_that_fails_is_named_and_the_others_are_saved(started, monkeypatch, tmp_path, capsys):
    def fail(**options):
        raise OSError("no memory")

    monkeypatch.setattr(layers, "measure", fail)
    light = dict.fromkeys(("peers", "used", "ours", "both"), "import json, decimal, email.parser")
    monkeypatch.setattr(imports, "IMPORTS", {"nothing": "pass", **light})

    assert started("layers", "imports", "--save", "--rounds", "1") == 1

    assert [path.name for path in tmp_path.iterdir()] == ["imports.json"]
    assert len(json.loads((tmp_path / "imports.json").read_text())["ms"]["ours"]) == 1
    told = capsys.readouterr().err
    assert "OSError: no memory" in told
    assert "layers failed; again: python -m bench --save --rounds 1 layers" in told


def test_a_run_goes_on_from_a_part(started, monkeypatch):
    names = []
    monkeypatch.setattr(run, "run", lambda name, given: names.append(name) or {})
    assert started("--from", "memory") == 0
    assert names == list(run.PARTS)[list(run.PARTS).index("memory") :]


def test_a_part_that_is_not_there_is_an_error_that_names_those_that_are(started, capsys):
    with pytest.raises(SystemExit):
        started("--from", "colour")
    assert "colour: parts are compare, counters" in capsys.readouterr().err


def test_a_result_is_written_whole_or_not_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    run.save("layers", {"us": [1]})
    with pytest.raises(TypeError):
        run.save("layers", {"us": object()})
    assert json.loads((tmp_path / "layers.json").read_text()) == {"us": [1]}
