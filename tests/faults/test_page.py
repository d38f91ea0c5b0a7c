"""The page of faults is the one that the rows and the observations make, and these agree with each other."""

import importlib.util
import json
from pathlib import Path

import pytest
from faults.expected import Observed
from faults.matrix import AREAS, rows
from faults.ways import WIRES

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_faults", DOCS / "generate_faults.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def observed(generator):
    return json.loads(generator.OBSERVED.read_text(encoding="utf-8"))


def test_the_page_is_current(generator):
    committed = generator.PAGE.read_text(encoding="utf-8")
    assert committed == generator.page(), f"docs/faults.md is out of date; run: {generator.COMMAND}"


def test_every_row_was_observed_and_nothing_else(generator, observed):
    met = {
        fault.name: {way.name: list(fault.compared(virtual=False)) for way in WIRES if way.meets(fault)}
        for fault in rows()
    }
    seen = {name: {way: list(methods) for way, methods in ways.items()} for name, ways in observed.items()}
    assert seen == met, f"rows changed; run: {generator.COMMAND} --measure"


@pytest.mark.parametrize("fault", rows(), ids=lambda fault: fault.name)
def test_what_was_observed_is_what_the_row_expects(fault, observed):
    found = [
        f"{way}, {method}: {difference}"
        for way, methods in observed[fault.name].items()
        for method, one in methods.items()
        for difference in fault.expected.differences(Observed(**one), method)
    ]
    assert not found


def test_every_row_has_a_name_of_its_own():
    names = [fault.name for fault in rows()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("way", WIRES, ids=lambda way: way.name)
def test_what_a_way_cannot_honour_is_a_row_and_has_a_reason(way):
    assert set(way.cannot) <= {fault.name for fault in rows()}
    assert all(way.cannot.values())


def test_no_area_is_empty():
    assert all(area.rows for area in AREAS)
