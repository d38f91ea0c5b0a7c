"""The reference of a file's keys is the one that the code makes."""

import importlib.util
from pathlib import Path

import pytest

from resilient_client.config.client_keys import CLIENT_KEYS
from resilient_client.policy import policy_keys

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_keys", DOCS / "generate_keys.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_keys_is_current(generator):
    committed = generator.PAGE.read_text(encoding="utf-8")
    assert committed == generator.page(), f"docs/policy-file-keys.md is out of date; run: {generator.COMMAND}"


def test_the_page_has_every_key(generator):
    page = generator.page()
    for name in ("match", "extends", "routes", *CLIENT_KEYS, *(key[-1] for key, _ in policy_keys())):
        assert f"| `{name}` |" in page


def test_every_section_has_a_page_with_its_reasons(generator):
    assert all((DOCS / page).is_file() for page in generator.PAGES.values())
