"""Fixtures: a policy file to write, and policies loaded from it."""

from __future__ import annotations

import textwrap

import pytest

from resilient_client import ConfigError, load_policies


class PolicyFile:
    def __init__(self, path):
        self.path = path

    def write(self, text):
        self.path.write_text(textwrap.dedent(text), encoding="utf-8")
        return self

    def load(self, **environment):
        return load_policies(self.path, environment=environment)

    def mistakes(self, **environment):
        """The mistakes of the file, as `(line or variable, key, what is said)`."""
        with pytest.raises(ConfigError) as caught:
            self.load(**environment)
        return [(one.where.removeprefix(f"{self.path}:"), one.key, one.said) for one in caught.value.problems]

    def mistake(self, **environment):
        (only,) = self.mistakes(**environment)
        return only


@pytest.fixture
def policy_file(tmp_path):
    return PolicyFile(tmp_path / "services.toml")
